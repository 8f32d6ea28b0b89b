//! Does latent hand-off pay? Tasks, models to run them on, and the numbers.

pub mod record;
pub mod relay;
pub mod stats;
pub mod trace;
pub mod train;
