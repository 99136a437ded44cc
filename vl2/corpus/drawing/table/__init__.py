"""Tables: excerpts of tables as pictures, and what can be asked about them."""
