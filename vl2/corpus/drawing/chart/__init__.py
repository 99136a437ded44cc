"""Charts: tables of numbers as pictures, and what can be asked about them."""
