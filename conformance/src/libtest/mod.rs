//! The suite as a test target of Cargo: every case is a test that `cargo test` and nextest list, filter and run.
//!
//! ```no_run
//! // tests/avp.rs of an implementation, with `harness = false` in its Cargo.toml
//! use avp_conformance::libtest::Suite;
//!
//! fn main() -> std::process::ExitCode {
//!     Suite::command("target/debug/my-adapter", ["--stdio"]).areas(["HDR", "KV"]).main()
//! }
//! ```
//!
//! All cases that the command line names are asked in one run before the first test ends, with as many children and
//! requests in flight as the adapter allows. Under nextest every test is a process of its own, and asks its own case alone.
//! A case fails when a check fails that counts; it is ignored, with the reason, when the adapter does not declare what it
//! needs or when the baseline expects what happened.

mod outcome;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

pub use libtest_mimic::{Arguments, Conclusion};
use libtest_mimic::{Completion, Failed, Trial};

use self::outcome::{Ended, Plan, outcomes};
use crate::{
    adapter::{AdapterCommand, Launcher, ProcessLauncher},
    baseline::{Baseline, ParseError},
    case::{Case, Spec},
    check,
    glob::Glob,
    oracle::{self, SelfTestError},
    requirement::Catalogue,
    select::{SelectError, Selection},
    vector,
};

/// What is asked of whom.
pub struct Suite {
    launcher: Arc<dyn Launcher>,
    selection: Selection,
    seed: u64,
    per_area: u32,
    strict: bool,
    baseline: Option<PathBuf>,
}

/// Why there are no tests.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The suite contradicts itself.
    #[error("the suite is broken: {0}")]
    Oracle(#[from] SelfTestError),
    /// Its recipes can't be read.
    #[error("the suite's own recipes are broken: {0}")]
    Recipes(#[from] vector::RecipesError),
    /// The baseline can't be read.
    #[error("{}: {source}", .path.display())]
    Baseline {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The baseline is none.
    #[error("{}: {source}", .path.display())]
    Parse {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: ParseError,
    },
    /// What was asked for matches nothing.
    #[error(transparent)]
    Select(#[from] SelectError),
}

impl Suite {
    /// Judges whatever `launcher` starts: a command, or a function in this process
    /// ([`crate::adapter::InProcessLauncher`]).
    pub fn new(launcher: impl Launcher + 'static) -> Self {
        Self {
            launcher: Arc::new(launcher),
            selection: Selection::default(),
            seed: 1,
            per_area: 0,
            strict: false,
            baseline: None,
        }
    }

    /// Judges an adapter that is a program of its own.
    pub fn command(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self::new(ProcessLauncher::new(AdapterCommand::new(program, args)))
    }

    /// Only these areas: `HDR`, `KV`.
    #[must_use]
    pub fn areas(mut self, codes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.selection.areas = codes.into_iter().map(Into::into).collect();
        self
    }

    /// Only these dialects.
    #[must_use]
    pub fn specs(mut self, specs: impl IntoIterator<Item = Spec>) -> Self {
        self.selection.specs = specs.into_iter().collect();
        self
    }

    /// Leaves out the cases that a pattern means: `cmp/**`, `hdr/magic@0.2`.
    #[must_use]
    pub fn skip(mut self, pattern: &str) -> Self {
        self.selection.skip.push(Glob::new(pattern));
        self
    }

    /// Generated cases too, so many an area. Without it the golden vectors alone are asked.
    #[must_use]
    pub fn generated(mut self, per_area: u32) -> Self {
        self.per_area = per_area;
        self
    }

    /// Decides the generated cases and the order; 1 where nothing is said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A missed SHOULD fails.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// A file of known deviations: tests that fail as it lists them are ignored, with its reason. Entries that are gone only
    /// a whole run finds: `avp-conformance run --baseline`.
    #[must_use]
    pub fn baseline(mut self, path: impl Into<PathBuf>) -> Self {
        self.baseline = Some(path.into());
        self
    }

    /// Does what the command line says.
    #[must_use]
    pub fn main(self) -> ExitCode {
        match self.run(&Arguments::from_args()) {
            Ok(conclusion) => conclusion.exit_code(),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(101)
            }
        }
    }

    /// Does what these arguments say.
    ///
    /// # Errors
    /// [`SuiteError`] when there are no tests to run.
    pub fn run(self, args: &Arguments) -> Result<Conclusion, SuiteError> {
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        let cases = self.cases()?;
        let name = |case: &Case| Trial::test(case.key(), || Ok(()));
        let asked: Vec<Case> =
            cases.iter().filter(|case| !args.is_filtered_out(&name(case))).cloned().collect();
        let plan = Plan {
            launcher: self.launcher,
            cases: asked,
            seed: self.seed,
            workers: args.test_threads.unwrap_or(0),
            strict: self.strict,
            baseline,
        };
        let run = Arc::new((plan, OnceLock::new()));
        let trials = cases.iter().map(|case| {
            let (run, key) = (Arc::clone(&run), case.key());
            Trial::ignorable_test(case.key(), move || {
                let (plan, ended) = &*run;
                match ended.get_or_init(|| outcomes(plan)) {
                    Err(why) => Err(Failed::from(why)),
                    Ok(ended) => match ended.get(&key) {
                        Some(Ended::Passed) => Ok(Completion::Completed),
                        Some(Ended::Ignored(why)) => Ok(Completion::ignored_with(why)),
                        Some(Ended::Failed(how)) => Err(Failed::from(how)),
                        None => Ok(Completion::ignored_with("its dialect is not declared")),
                    },
                }
            })
        });
        Ok(libtest_mimic::run(args, trials.collect()))
    }

    fn cases(&self) -> Result<Vec<Case>, SuiteError> {
        oracle::self_test()?;
        let mut cases = vector::cases()?;
        for spec in [Spec::V02, Spec::V04] {
            cases.extend(check::generated(spec, self.seed, self.per_area));
        }
        Ok(self.selection.apply(cases, Catalogue::embedded())?)
    }
}

fn read_baseline(path: &std::path::Path) -> Result<Baseline, SuiteError> {
    let text =
        fs::read_to_string(path).map_err(|source| SuiteError::Baseline { path: path.to_owned(), source })?;
    Baseline::parse(&text).map_err(|source| SuiteError::Parse { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
