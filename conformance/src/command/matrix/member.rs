//! Who stands in the matrix of `--all`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use avp_conformance::gate::Exit;
use sha2::{Digest as _, Sha256};

use super::MatrixArgs;
use crate::command::registry::{self, Release};
use crate::command::target::{Target, TargetArgs};
use crate::command::{Ended, suite};

/// The marker before the example on the contract page.
const EXAMPLE: &str = "<!-- example: adapter.py -->\n```python\n";

/// One implementation.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) version: String,
    kind: Kind,
}

enum Kind {
    /// The reference in this binary.
    Reference,
    /// A release of an adapter of the project.
    Project(Box<Release>),
    /// A script with the contract page's example.
    Example(PathBuf),
}

impl Member {
    /// `name@version`, or the name.
    pub(super) fn label(&self) -> String {
        match self.version.as_str() {
            "" => self.name.clone(),
            version => format!("{}@{version}", self.name),
        }
    }

    /// Sets it up where that is needed.
    pub(super) fn prepare(&self) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Project(release) if !release.is_ready() => release.set_up(),
            Kind::Project(_) | Kind::Reference | Kind::Example(_) => Ok(()),
        }
    }

    /// How it is started.
    pub(super) fn target(&self, args: &MatrixArgs) -> anyhow::Result<Target> {
        let mut target = TargetArgs { places: args.places.clone(), ..TargetArgs::default() };
        match &self.kind {
            Kind::Reference => {}
            Kind::Project(_) => target.adapter = Some(self.label()),
            Kind::Example(script) => target.command = vec![OsString::from("python3"), script.into()],
        }
        let mut found = target.resolve()?;
        if matches!(self.kind, Kind::Example(_)) {
            // Reports go further than this machine's folders.
            "-- python3 example.py".clone_into(&mut found.repeat);
        }
        Ok(found)
    }

    /// Digest of what the answers depend on beside this binary.
    pub(super) fn digest(&self) -> anyhow::Result<String> {
        let mut digest = Sha256::new();
        digest.update(self.label());
        match &self.kind {
            Kind::Reference => {}
            Kind::Example(script) => digest.update(read(script)?),
            Kind::Project(release) => {
                let mut files: Vec<PathBuf> = fs::read_dir(release.folder())?
                    .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_file()))
                    .collect();
                files.sort();
                for path in files {
                    digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
                    digest.update(Sha256::digest(read(&path)?));
                }
            }
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Everyone, in the order of the page: the reference, the adapters by name with their oldest release first, the example.
pub(super) fn members(args: &MatrixArgs, work: &Path) -> anyhow::Result<Vec<Member>> {
    let mut found = Vec::new();
    if cfg!(feature = "reference") {
        found.push(Member { name: "avp".into(), version: String::new(), kind: Kind::Reference });
    }
    for (folder, description) in registry::all(&args.places)? {
        if let Some(size) = &description.download
            && !args.with.contains(&description.name)
        {
            eprintln!(
                "{}: left out, it downloads {size} (--with {} takes it in)",
                description.name, description.name
            );
            continue;
        }
        let mut releases = registry::releases(&folder, &description);
        releases.reverse();
        found.extend(releases.into_iter().map(|release| Member {
            name: release.description.name.clone(),
            version: release.version.version.clone(),
            kind: Kind::Project(Box::new(release)),
        }));
    }
    found.push(example(work)?);
    if args.only.is_empty() {
        return Ok(found);
    }
    for wanted in &args.only {
        if !found.iter().any(|member| is_meant(wanted, member)) {
            let known: Vec<String> = found.iter().map(Member::label).collect();
            let told = format!("--only {wanted}: there is none; there are {}", known.join(", "));
            return Err(Ended::new(Exit::Usage, told).into());
        }
    }
    found.retain(|member| args.only.iter().any(|wanted| is_meant(wanted, member)));
    Ok(found)
}

fn is_meant(wanted: &str, member: &Member) -> bool {
    wanted == member.name || wanted == member.label()
}

/// The example of the contract page as a script of its own.
fn example(work: &Path) -> anyhow::Result<Member> {
    let folder = suite::project_folder("conformance").context("the project's folder conformance")?;
    let page = folder.join("ADAPTER.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let code = text.split_once(EXAMPLE).and_then(|(_, behind)| behind.split_once("```"));
    let Some((code, _)) = code else {
        let told = format!("{}: no example behind {:?}", page.display(), EXAMPLE.lines().next());
        return Err(Ended::new(Exit::Integrity, told).into());
    };
    let script = work.join("example.py");
    fs::write(&script, code).with_context(|| script.display().to_string())?;
    Ok(Member { name: "example".into(), version: String::new(), kind: Kind::Example(script) })
}
