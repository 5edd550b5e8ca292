"""Has a batch drifted from what the champion was trained on, does it matter, and is the world or the feed to blame?"""
