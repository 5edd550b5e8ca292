"""What pages and cards are made of: words, plots as SVG, templates."""
