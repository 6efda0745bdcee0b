//! `watchbell user`: add people, change their passwords, list them.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};

use super::{CliError, cell};
use crate::account::Role;
use crate::account::password::{LENGTH_MAX, Passwords};
use crate::account::user::{self, User};
use crate::clock::SharedClock;
use crate::store::{Db, users};

/// The arguments of `watchbell user`.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What `watchbell user` can do.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; the password is asked for, or read from the first line of stdin.
    Add {
        /// The address to sign in with.
        email: String,
        /// What the user may do: viewer, editor or admin.
        #[arg(long, default_value = "viewer")]
        role: Role,
    },
    /// Set a user's password; all of the user's sessions end.
    Passwd {
        /// The user's address.
        email: String,
    },
    /// List the users.
    List,
}

/// Runs `watchbell user`, printing to `out`.
///
/// # Errors
/// [`CliError::Usage`] for a wrong address or password, else what failed.
pub async fn run(
    args: UserArgs,
    db: &Db,
    clock: &SharedClock,
    out: &mut impl Write,
) -> Result<(), CliError> {
    match args.command {
        UserCommand::Add { email, role } => add(&email, role, db, clock, out).await,
        UserCommand::Passwd { email } => set_password(&email, db, out).await,
        UserCommand::List => list(db, out).await,
    }
}

async fn add(
    email: &str,
    role: Role,
    db: &Db,
    clock: &SharedClock,
    out: &mut impl Write,
) -> Result<(), CliError> {
    // A mistake in the address is told before a password is asked for.
    let email = user::parse_email(email).map_err(|why| CliError::Usage(format!("email {why}")))?;
    let folded = user::fold_email(&email);
    let taken = users::find(&mut db.read().await?.conn(), &folded).await?.is_some();
    if taken {
        return Err(CliError::Usage(format!("there is a user {email} already")));
    }
    let password = read_password()?;
    let made =
        user::create(db, &Passwords::default(), &email, &password, role, clock.now()).await?;
    writeln!(out, "added {} as {}", cell(&made.email), made.role)?;
    Ok(())
}

async fn set_password(email: &str, db: &Db, out: &mut impl Write) -> Result<(), CliError> {
    let folded = user::fold_email(email);
    let found = users::find(&mut db.read().await?.conn(), &folded).await?;
    let found = found.ok_or_else(|| CliError::Usage(format!("there is no user {email}")))?;
    let password = read_password()?;
    user::set_password(db, &Passwords::default(), found.id, &password).await?;
    writeln!(out, "password of {} set; its sessions have ended", cell(&found.email))?;
    Ok(())
}

async fn list(db: &Db, out: &mut impl Write) -> Result<(), CliError> {
    let all = users::list(&mut db.read().await?.conn(), i64::MAX, 0).await?;
    for user in all {
        let User { id, email, role, created_at } = &user;
        writeln!(out, "{id}\t{}\t{role}\t{created_at}", cell(email))?;
    }
    Ok(())
}

/// The password: typed twice at a terminal, else the first line of stdin. Never an argument, which others could see.
fn read_password() -> Result<String, CliError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return first_line(stdin.lock());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? != password {
        return Err(CliError::Usage("the two passwords are not the same".to_owned()));
    }
    Ok(password)
}

/// The first line of `input`, without its end.
fn first_line(input: impl BufRead) -> Result<String, CliError> {
    // One more than the longest password of four-byte characters, with its line end: longer is refused without reading on.
    let limit = u64::try_from(4 * LENGTH_MAX + 3).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    input.take(limit).read_until(b'\n', &mut line)?;
    let line = String::from_utf8(line)
        .map_err(|_| CliError::Usage("the password on stdin is not UTF-8 text".to_owned()))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for (input, password) in [
            ("secret 12\nmore", "secret 12"),
            ("secret\r\n", "secret"),
            ("secret", "secret"),
            ("", ""),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password);
        }
        assert!(first_line(&b"\xff\xfe\n"[..]).is_err());
        let long = "x".repeat(1 << 20);
        assert!(first_line(long.as_bytes()).unwrap().len() < 5000, "reading ends");
    }
}
