"""What other files may still hold of a gallery: packed, written as text, at any byte."""
