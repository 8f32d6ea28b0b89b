//! `__reference`: the built-in reference behind the same pipe as any other implementation.

use avp_conformance::gate::Exit;

/// The hidden subcommand.
pub(super) const NAME: &str = "__reference";

/// Speaks ACP/1 on stdin and stdout until stdin ends.
#[cfg(feature = "reference")]
pub(super) fn serve() -> anyhow::Result<Exit> {
    avp::adapter::serve(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Exit::Ok)
}

/// Without the reference there is nothing to speak for.
#[cfg(not(feature = "reference"))]
pub(super) fn serve() -> anyhow::Result<Exit> {
    anyhow::bail!("this binary was built without the reference")
}
