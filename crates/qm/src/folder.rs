//! The data folder: database, root key, lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use quartermaster_store::Store;
use quartermaster_store::model::StoreError;
use quartermaster_vault::RootKey;

use crate::env;
use crate::failure::Failure;

const DATABASE: &str = "quartermaster.sqlite";
const ROOT_KEY: &str = "root.key";
const LOCK: &str = "lock";
/// What a half-finished `init` leaves; taken away by the next one.
const STAGING: &str = ".init";

/// What to look at when the database of the environment does not answer.
const DATABASE_HINT: &str = "QM_DATABASE_URL says where the rows are kept: postgres://USER:PASSWORD@HOST:PORT/NAME. \
                             Without it they are kept in the data folder.";

/// Length of a root key in its file: 64 hex digits.
const KEY_DIGITS: usize = 64;

/// A data folder that this process has locked.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    root_key_file: PathBuf,
    /// Held, never read: the lock ends with it.
    _lock: File,
}

impl Folder {
    /// Makes a folder with everything in it but the database's rows: those `fill` adds. Nothing appears under its final
    /// name before all of it is complete, and what exists is never touched.
    pub(crate) async fn create<T>(
        path: &Path,
        root_key_file: Option<&Path>,
        fill: impl AsyncFnOnce(&Store, &RootKey) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let database_url = database_url()?;
        // Looked at before it is touched: a folder that is not ours keeps its permissions and gets no file.
        if path.exists() {
            refuse_existing(path)?;
        }
        make_private_folder(path)?;
        let lock = lock(path)?;
        refuse_existing(path)?;
        let staging = path.join(STAGING);
        if staging.exists() {
            fs::remove_dir_all(&staging).map_err(Failure::io(format!("removing {}", staging.display())))?;
        }
        make_private_folder(&staging)?;
        let result = Self::create_in(path, &staging, root_key_file, database_url, fill).await;
        if result.is_err() {
            // The first error is what matters; a staging folder that stays is taken away by the next attempt.
            let _ = fs::remove_dir_all(&staging);
        }
        drop(lock);
        result
    }

    async fn create_in<T>(
        path: &Path,
        staging: &Path,
        root_key_file: Option<&Path>,
        database_url: Option<String>,
        fill: impl AsyncFnOnce(&Store, &RootKey) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let staged_key = staging.join(ROOT_KEY);
        let key_file = root_key_file.unwrap_or(&staged_key);
        let made_key = !key_file.exists();
        if made_key {
            write_key(key_file)?;
        }
        let filled = async {
            let key = read_key(key_file)?;
            let store = match database_url {
                Some(url) => Store::connect_postgres(&url).await,
                None => Store::create_sqlite(&staging.join(DATABASE)).await,
            };
            let store = store.map_err(|error| database_failure(&error))?;
            let filled = fill(&store, &key).await;
            store.close().await;
            filled
        };
        let filled = filled.await;
        if filled.is_err() && made_key && root_key_file.is_some() {
            let _ = fs::remove_file(key_file);
        }
        let filled = filled?;
        publish(staging, path)?;
        Ok(filled)
    }

    /// Opens and locks a folder that `init` made.
    pub(crate) fn open(path: &Path, root_key_file: Option<&Path>) -> Result<Self, Failure> {
        let root_key_file = root_key_file.map_or_else(|| path.join(ROOT_KEY), Path::to_owned);
        let has_rows = match path.join(DATABASE).try_exists() {
            Ok(exists) => exists || env::text(env::DATABASE_URL).is_some(),
            // What cannot be looked into may well be there: to make another would be the wrong advice.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(closed(path, &error)),
            Err(_) => false,
        };
        if !path.is_dir() || !has_rows {
            return Err(Failure::failed(format!("there is no data folder at {}", path.display()))
                .hint("Make one, or say where it is with --data-dir (QM_DATA_DIR).")
                .next(format!("qm init --data-dir {}", path.display())));
        }
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), root_key_file, _lock: lock })
    }

    /// The root key.
    pub(crate) fn root_key(&self) -> Result<RootKey, Failure> {
        read_key(&self.root_key_file)
    }

    /// The rows: the folder's database, or the one that the environment names.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        let store = match database_url()? {
            Some(url) => Store::connect_postgres(&url).await,
            None => Store::open_sqlite(&self.path.join(DATABASE)).await,
        };
        store.map_err(|error| database_failure(&error))
    }
}

/// The folder is not open to this user.
fn closed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("looking into the data folder {}: {error}", path.display()))
        .hint("Only the user who made a data folder may use it. Run this as that user.")
}

/// The address of the database that the environment names. It may hold a password, so no error repeats it.
fn database_url() -> Result<Option<String>, Failure> {
    let url = env::text(env::DATABASE_URL);
    if url.as_deref().is_none_or(|url| ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))) {
        return Ok(url);
    }
    Err(Failure::usage("QM_DATABASE_URL is not the address of a PostgreSQL database; nothing was done")
        .hint(DATABASE_HINT))
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.join(DATABASE).exists() || path.join(ROOT_KEY).exists() {
        return Err(Failure::failed(format!("{} is a data folder already; nothing was changed", path.display()))
            .hint("Its admin token was shown when it was made. Take another folder, or serve this one.")
            .next(format!("qm serve --data-dir {}", path.display())));
    }
    let listed = fs::read_dir(path).map_err(Failure::io(format!("reading {}", path.display())))?;
    let foreign = listed
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .find(|name| ![LOCK, STAGING, "lost+found"].iter().any(|own| name == own));
    match foreign {
        Some(name) => Err(Failure::failed(format!(
            "{} is not empty: it has {}; nothing was changed",
            path.display(),
            name.to_string_lossy()
        ))
        .hint("Give a folder of its own: --data-dir (QM_DATA_DIR).")),
        None => Ok(()),
    }
}

/// Moves everything from the staging folder to its final place, the key last.
fn publish(staging: &Path, path: &Path) -> Result<(), Failure> {
    let failed = |source: std::io::Error| Failure::failed(format!("completing {}: {source}", path.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(staging).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort_by_key(|name| name == ROOT_KEY);
    for name in names {
        fs::rename(staging.join(&name), path.join(&name)).map_err(failed)?;
    }
    fs::remove_dir(staging).map_err(failed)?;
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Makes a folder that only its owner can look into; closes an existing one to others.
fn make_private_folder(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(Failure::io(format!("making the folder {}", path.display())))?;
    let private = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    private.map_err(Failure::io(format!("closing {} to others", path.display())))
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = path.join(LOCK);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&file);
    let opened = opened.map_err(Failure::io(format!("opening {}", file.display())))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::failed(format!("another process is using the data folder {}", path.display()))
                .hint("One gateway at a time works on a folder. Stop the other one, or take another folder."))
        }
        Err(TryLockError::Error(error)) => Err(Failure::io(format!("locking {}", file.display()))(error)),
    }
}

fn write_key(path: &Path) -> Result<(), Failure> {
    let bytes: [u8; 32] = quartermaster_vault::random_bytes().map_err(|error| Failure::failed(error.to_string()))?;
    let mut text: String =
        bytes.iter().fold(String::with_capacity(KEY_DIGITS + 1), |text, byte| text + &format!("{byte:02x}"));
    text.push('\n');
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(Failure::io(format!("writing the root key to {}", path.display())))
}

fn read_key(path: &Path) -> Result<RootKey, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text));
    read.map_err(|error| {
        let failure = Failure::failed(format!("reading the root key from {}: {error}", path.display()));
        match error.kind() {
            ErrorKind::NotFound => failure.hint(
                "Without the key, the stored credentials cannot be opened. --root-key-file (QM_ROOT_KEY_FILE) says where it is.",
            ),
            _ => failure,
        }
    })?;
    let malformed = || {
        Failure::failed(format!("{} does not hold a root key", path.display()))
            .hint("A root key is 64 hexadecimal digits, for instance from `openssl rand -hex 32`.")
    };
    let text = text.trim();
    if text.len() != KEY_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    let digits = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    let bytes: Result<Vec<u8>, _> = digits.map(|pair| u8::from_str_radix(pair, 16)).collect();
    RootKey::from_bytes(&bytes.map_err(|_| malformed())?).map_err(|error| Failure::failed(error.to_string()))
}

fn database_failure(error: &StoreError) -> Failure {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors repeat their cause themselves.
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    let failure = Failure::failed(text);
    match error {
        StoreError::Newer { .. } => failure
            .hint("The data was written by a newer version of this program. Nothing was changed; use that version."),
        StoreError::NoSpace(_) => failure
            .hint("Make room on the disk, and see that this user may write to the data folder; then start again."),
        _ if env::text(env::DATABASE_URL).is_some() => failure.hint(DATABASE_HINT),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_holds_64_digits_that_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        write_key(&path).unwrap();
        assert!(read_key(&path).is_ok());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_key(&path).is_err(), "a key is never overwritten");
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            fs::write(&path, bad).unwrap();
            assert!(read_key(&path).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_taken_for_an_absent_one() {
        let refused = closed(Path::new("data"), &ErrorKind::PermissionDenied.into()).render();
        assert!(refused.contains("as that user") && !refused.contains("qm init"), "{refused}");
        let absent = Folder::open(Path::new("no/such/folder"), None).unwrap_err().render();
        assert!(absent.contains("qm init --data-dir no/such/folder"), "{absent}");
    }

    #[test]
    fn a_folder_can_be_locked_once() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(lock(folder.path()).is_err());
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }
}
