"""Classes of Great Expectations for what it has none for: they judge sums by its rules and stand in its Data Docs."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar


@cache
def own_classes() -> tuple[Any, Any]:
    """Expectations about the rows and about the batch, by a rule that is told in words; GX must be imported already."""
    from great_expectations.expectations.expectation import BatchExpectation, MulticolumnMapExpectation
    from great_expectations.render.components import LegacyRendererType, RenderedStringTemplateContent
    from great_expectations.render.renderer.renderer import renderer

    def told(template: str, rule: str) -> list[RenderedStringTemplateContent]:
        content = {"template": template, "params": {"rule": rule}}
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=content)]

    class ExpectRowsToMeet(BatchExpectation):
        """Each row meets a rule."""

        rule: str
        mostly: float = 1
        map_metric: ClassVar[str] = "rows.meet"
        success_keys: ClassVar[tuple[str, ...]] = ("mostly",)

        def _validate(self, *arguments: Any) -> Any:
            of_rows: Any = MulticolumnMapExpectation  # its rules for sums, whatever the columns are
            return of_rows._validate(self, *arguments)

        @classmethod
        @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
        def _prescriptive_renderer(
            cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None
        ) -> Any:
            mostly = configuration.kwargs.get("mostly", 1)
            share = "" if mostly == 1 else f", at least {100 * mostly:g} % of the time"
            return told(f"Rows must meet $rule{share}.", configuration.kwargs["rule"])

    class ExpectBatchToMeet(BatchExpectation):
        """The batch meets a rule."""

        rule: str

        def _validate(self, metrics: dict[str, bool], *_options: Any) -> dict[str, Any]:
            return {"success": metrics["holds"], "result": {"observed_value": metrics["holds"]}}

        @classmethod
        @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
        def _prescriptive_renderer(
            cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None
        ) -> Any:
            return told("The batch must meet $rule.", configuration.kwargs["rule"])

    return ExpectRowsToMeet, ExpectBatchToMeet
