//! Recipes → cases and `vectors/dist`.
