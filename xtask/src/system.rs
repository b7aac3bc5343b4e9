//! Small questions to the operating system.

use std::{
    fs,
    io::{self, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use anyhow::{Context, Result, anyhow};
use uuid::Uuid;

/// Accounts that a server may run as when we are root, best first.
const ACCOUNTS: [&str; 3] = ["postgres", "nobody", "daemon"];

/// A port that is free on 127.0.0.1 at the moment.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// Whether nothing listens on this port of 127.0.0.1.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// A new random secret of 244 bits, in letters and digits.
pub fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Writes to standard output. Says whether somebody still reads it: after `| head` nobody does, which is no error.
pub fn print(text: &str) -> Result<bool> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// User and group id of an existing account without rights. It must exist: `initdb` looks its name up.
pub fn account_to_run_as() -> Result<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    ACCOUNTS.iter().find_map(|name| account(&accounts, name)).ok_or_else(|| {
        anyhow!("PostgreSQL does not run as root, and there is no account {ACCOUNTS:?} to run it as; add one: useradd --system postgres")
    })
}

fn account(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))?;
    // macOS writes nobody's id as -2.
    let id = |text: &&str| text.parse::<i64>().ok().map(|id| u32::try_from(id).unwrap_or(u32::MAX - 1));
    let (user, group) = (id(fields.get(2)?)?, id(fields.get(3)?)?);
    (user != 0).then_some((user, group))
}

/// Whether any user may enter this folder.
pub fn is_reachable_by_others(folder: &Path) -> bool {
    folder
        .ancestors()
        .all(|folder| fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0))
}

/// Copies a folder with its links, readable by everyone.
pub fn copy_folder(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir(target).with_context(|| format!("cannot create {}", target.display()))?;
    fs::set_permissions(target, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&from, &to)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
            let mode = fs::metadata(&from)?.permissions().mode();
            fs::set_permissions(&to, fs::Permissions::from_mode(mode | 0o444))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0::/:/bin/sh\nnobody2:x:7:7::/:/bin/sh\nnobody:x:65534:65533::/:/bin/sh\nmac:*:-2:-2::/:/";
        assert_eq!(account(accounts, "nobody"), Some((65534, 65533)));
        assert_eq!(account(accounts, "mac"), Some((u32::MAX - 1, u32::MAX - 1)));
        assert_eq!(account(accounts, "absent"), None);
        assert_eq!(account(accounts, "root"), None);
    }

    #[test]
    fn secrets_differ_and_need_no_quoting() {
        assert_ne!(secret(), secret());
        assert!(secret().len() == 64 && secret().chars().all(|character| character.is_ascii_alphanumeric()));
    }
}
