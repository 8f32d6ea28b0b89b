//! The powercap tree: a folder a domain, `intel-rapl:N` for packages, of Intel's and AMD's processors alike.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// What package folders are called. Their parts have a second colon, and are within the package.
const PREFIX: &str = "intel-rapl:";
/// Longest file of the tree that is read: a name or a number.
const MAX_BYTES: u64 = 64;

/// A processor package.
pub(super) struct Package {
    /// As the kernel names it: `package-0`.
    pub(super) name: String,
    energy: PathBuf,
    /// What the counter goes round at, in microjoules.
    range: u64,
}

impl Package {
    fn open(folder: &Path) -> io::Result<Option<Self>> {
        let name = text(&folder.join("name"))?;
        // `psys` holds whole packages and more: it would count them twice.
        if !name.starts_with("package") || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Ok(None);
        }
        let range = number(&folder.join("max_energy_range_uj"))?;
        let package = Self { name, energy: folder.join("energy_uj"), range };
        package.read()?;
        Ok(Some(package))
    }

    /// Microjoules.
    pub(super) fn read(&self) -> io::Result<u64> {
        number(&self.energy)
    }

    /// Microjoules from one reading to the next, between which the counter went round once at most.
    pub(super) fn between(&self, before: u64, after: u64) -> Option<u64> {
        if after >= before {
            Some(after - before)
        } else {
            after.checked_add(self.range.checked_sub(before)?)
        }
    }
}

/// The packages of a tree that can be read, and what of it cannot.
pub(super) fn packages(tree: &Path, most: usize) -> (Vec<Package>, Vec<String>) {
    let why = |path: &Path, error: &io::Error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => "not there".to_owned(),
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        format!("{}: {reason}", path.display())
    };
    let entries = match fs::read_dir(tree) {
        Ok(entries) => entries,
        Err(error) => return (Vec::new(), vec![why(tree, &error)]),
    };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix(PREFIX)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let (mut found, mut missing) = (Vec::<Package>::new(), Vec::new());
    for number in numbers.into_iter().take(most) {
        let folder = tree.join(format!("{PREFIX}{number}"));
        match Package::open(&folder) {
            Ok(Some(mut package)) => {
                if found.iter().any(|other| other.name == package.name) {
                    package.name = format!("{}-of-{number}", package.name);
                }
                found.push(package);
            }
            Ok(None) => {}
            Err(error) => missing.push(why(&folder, &error)),
        }
    }
    if found.is_empty() && missing.is_empty() {
        missing.push("no package in the power counters".to_owned());
    }
    (found, missing)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn number(path: &Path) -> io::Result<u64> {
    text(path)?.parse().map_err(|_| io::Error::new(ErrorKind::InvalidData, "a number expected"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A powercap tree in a temporary folder.
    pub(in super::super) struct Tree(tempfile::TempDir);

    impl Tree {
        /// Packages by name, counter and range.
        pub(in super::super) fn with(packages: &[(&str, u64, u64)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (number, (name, energy, range)) in packages.iter().enumerate() {
                tree.add(number, name, *energy, *range);
            }
            tree
        }

        pub(in super::super) fn path(&self) -> &Path {
            self.0.path()
        }

        fn folder(&self, number: usize) -> PathBuf {
            self.path().join(format!("{PREFIX}{number}"))
        }

        pub(in super::super) fn add(&self, number: usize, name: &str, energy: u64, range: u64) {
            let folder = self.folder(number);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("name"), format!("{name}\n")).unwrap();
            fs::write(folder.join("max_energy_range_uj"), format!("{range}\n")).unwrap();
            self.set(number, energy);
        }

        pub(in super::super) fn set(&self, number: usize, energy: u64) {
            fs::write(self.folder(number).join("energy_uj"), format!("{energy}\n")).unwrap();
        }

        pub(in super::super) fn remove(&self, number: usize) {
            fs::remove_dir_all(self.folder(number)).unwrap();
        }
    }

    #[test]
    fn packages_alone_are_taken() {
        let tree = Tree::with(&[
            ("psys", 1, 10),
            ("package-1", 1, 10),
            ("package-1", 1, 10),
            ("../x package", 1, 10),
        ]);
        for part in ["intel-rapl:1:0", "intel-rapl-mmio:0", "intel-rapl", "dtpm"] {
            fs::create_dir(tree.path().join(part)).unwrap();
            fs::write(tree.path().join(part).join("name"), "package-0").unwrap();
        }
        let (found, missing) = packages(tree.path(), 8);
        let names: Vec<&str> = found.iter().map(|package| package.name.as_str()).collect();
        assert_eq!((names, missing), (vec!["package-1", "package-1-of-2"], Vec::new()));
        assert_eq!(packages(tree.path(), 2).0.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let tree = Tree::with(&[("package-0", 1, 10), ("package-1", 1, 10), ("package-2", 1, 10)]);
        fs::write(tree.path().join("intel-rapl:0/energy_uj"), "many").unwrap();
        // A folder cannot be read as a file, whoever asks: the superuser, too, for whom nothing is forbidden.
        fs::remove_file(tree.path().join("intel-rapl:1/energy_uj")).unwrap();
        fs::create_dir(tree.path().join("intel-rapl:1/energy_uj")).unwrap();
        let (found, missing) = packages(tree.path(), 8);
        assert_eq!((found.len(), missing.len()), (1, 2));
        assert!(missing[0].ends_with("intel-rapl:0: a number expected"), "{missing:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_counter_for_the_superuser_alone_is_said_to_be_that() {
        use std::os::unix::fs::PermissionsExt as _;

        let tree = Tree::with(&[("package-0", 1, 10)]);
        let energy = tree.path().join("intel-rapl:0/energy_uj");
        fs::set_permissions(&energy, fs::Permissions::from_mode(0o000)).unwrap();
        if File::open(&energy).is_ok() {
            eprintln!("skipped: this user may read what nobody may");
            return;
        }
        let (found, missing) = packages(tree.path(), 8);
        assert!(found.is_empty() && missing[0].ends_with("permission denied"), "{missing:?}");
    }

    #[test]
    fn a_range_that_was_passed_is_no_reading() {
        let package = Package { name: "package-0".to_owned(), energy: PathBuf::new(), range: 100 };
        assert_eq!(package.between(90, 20), Some(30));
        assert_eq!(package.between(20, 90), Some(70));
        assert_eq!(package.between(120, 20), None);
        assert_eq!(Package { range: u64::MAX, ..package }.between(1, 0), Some(u64::MAX - 1));
    }
}
