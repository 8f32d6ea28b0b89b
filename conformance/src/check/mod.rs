//! Generated cases: properties with a fixed seed, scripts, resource checks.
