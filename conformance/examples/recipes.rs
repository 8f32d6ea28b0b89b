//! Works on the folder `vectors/` of a clone: `cargo run -p avp-conformance --example recipes -- check|generate [FOLDER]`.

use std::path::PathBuf;
use std::process::ExitCode;

use avp_conformance::vector::VectorFolder;

fn main() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let folder = VectorFolder::new(words.next().map_or_else(|| PathBuf::from("vectors"), PathBuf::from));
    let done = match command.as_str() {
        "check" => folder.check().map(|differences| (None, differences)),
        "generate" => folder.generate().map(|generated| (Some(generated.cases), generated.changed)),
        _ => anyhow::bail!("usage: recipes check|generate [FOLDER]"),
    };
    let (cases, differences) = match done {
        Ok(done) => done,
        Err(error) => {
            println!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    differences.iter().for_each(|difference| println!("{difference}"));
    match cases {
        Some(cases) => println!("{cases} vectors, {} changes", differences.len()),
        None => println!("{} differences", differences.len()),
    }
    Ok(if cases.is_some() || differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
