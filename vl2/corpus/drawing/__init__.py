"""Drawing: pictures made of what a row tells: scenes, pages, charts, tables, lines of text. Their truth is known."""
