//! What the right answer is: hashes, resolution, sessions, numbers.
