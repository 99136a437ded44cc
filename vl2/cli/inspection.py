"""Look inside: how an image becomes tokens, and whether a checkpoint computes what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vl2.cli import show
from vl2.cli.guard import CHECK_FAILED, EXIT_CODES, Debug
from vl2.cli.picture_file import check_writable, write_file

Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]


class ImageByDefault(TyperGroup):
    """`inspect FILE` means `inspect image FILE`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take a first word that is no command as the file of an image."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["image", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=ImageByDefault, no_args_is_help=True, help="Look inside an image or a checkpoint.", epilog=EXIT_CODES
)


@app.command("image", epilog=EXIT_CODES)
def inspect_image(
    image: Annotated[str, typer.Argument(help="The file of an image.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Draw tiles and tokens here: .png, .jpg or .webp.")] = None,
    model: Annotated[str, typer.Option(help="The checkpoint whose tiles and patches count.")] = "pocket",
    max_tiles: Annotated[int | None, typer.Option(help="Most local tiles an image is cut into.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how an image becomes tiles and visual tokens; no weights are loaded."""
    from vl2.processor import Processor, open_image
    from vl2.processor.picture import FORMATS, count_tokens, encode_picture, layout_picture
    from vl2.weights import find_checkpoint

    if out is not None:
        check_writable(out, FORMATS)
    processor = Processor.from_directory(find_checkpoint(model))
    if max_tiles is not None:
        processor = processor.with_max_tiles(max_tiles)
    pixels = open_image(image)
    grid = processor.rule.grid_for(pixels.width, pixels.height)
    counts = count_tokens(grid, processor.settings.side)
    canvas_w, canvas_h = processor.rule.canvas_of(grid)
    if out is not None:
        write_file(out, encode_picture(layout_picture(pixels, processor), out.suffix.lower()))
    record = {
        "width": pixels.width, "height": pixels.height, "rows": grid.rows, "cols": grid.cols,
        "canvas_width": canvas_w, "canvas_height": canvas_h, "tile_size": processor.rule.tile_size,
        "num_tiles": grid.num_tiles, "thumbnail_tokens": counts.thumbnail, "separator_tokens": counts.separator,
        "local_tokens": counts.local, "visual_tokens": counts.total,
    }  # fmt: skip
    if as_json:
        show.show_json(record)
        return
    for name, value in record.items():
        typer.echo(f"{name:18} {value}")


@app.command("parity", epilog=EXIT_CODES)
def inspect_parity(
    directory: Annotated[Path, typer.Argument(help="Recorded outputs with their checkpoint.", show_default=False)],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare every stage with recorded reference outputs; exit code 1 unless all are equal within their bounds."""
    from vl2.evaluation.parity import run_parity

    report = run_parity(directory)
    if as_json:
        show.show_json(report.to_dict())
    else:
        show.show_table(report.table())
    if not report.is_ok:
        raise typer.Exit(CHECK_FAILED)
