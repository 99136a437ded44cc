"""View: the rows of runs in the browser, page by page."""
