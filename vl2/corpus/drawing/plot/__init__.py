"""Plots: the scripts that draw a chart, as a person would write them."""
