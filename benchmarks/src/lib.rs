//! Does latent hand-off pay? Tasks, models to run them on, and the numbers.

pub mod analysis;
pub mod arm;
pub mod claim;
pub mod dataset;
pub mod engine;
pub mod folder;
pub mod link_model;
pub mod record;
pub mod rehearsal;
pub mod relay;
pub mod report;
pub mod run_file;
pub mod sandbox;
pub mod scorer;
pub mod stats;
pub mod summary;
pub mod table;
pub mod task;
pub mod trace;
pub mod train;
