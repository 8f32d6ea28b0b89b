//! Why there is no sandbox.

use std::fs;

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no sandbox. Each says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that the sandbox is made of.
    #[error("model-written code can't be run: {program} is missing; next: {step}")]
    Missing {
        /// Which.
        program: &'static str,
        /// What to do.
        step: &'static str,
    },
    /// It does not start.
    #[error("model-written code can't be run: the sandbox does not start: {said}; next: {step}")]
    Refused {
        /// What was said.
        said: String,
        /// What to do.
        step: String,
    },
    /// It starts, and does not hold.
    #[error("model-written code can't be run: the sandbox does not hold: {what}; next: {step}")]
    Leaks {
        /// What a program inside could do.
        what: String,
        /// What to do.
        step: &'static str,
    },
}

/// What to do where bubblewrap can't make its namespaces.
pub(super) fn next_step() -> String {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let step = if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor forbids user namespaces: give bwrap a profile with `userns,`, or \
         sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "user namespaces are off: sysctl -w kernel.unprivileged_userns_clone=1"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "user namespaces are off: sysctl -w user.max_user_namespaces=10000"
    } else {
        "in a container, allow user namespaces (a seccomp profile that lets clone and unshare through); elsewhere, run \
         `bwrap --unshare-all --ro-bind / / true` as this user to see what is refused"
    };
    step.to_owned()
}
