//! BYTES ⇄ MESSAGE, borrowed and bounded.
