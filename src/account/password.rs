//! Passwords: what is accepted, and their Argon2id hashes.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::{Error, Result};

/// The fewest characters of a password.
pub const LENGTH_MIN: usize = 8;
/// The most characters of a password: enough for any sentence, too few to keep the hasher busy.
pub const LENGTH_MAX: usize = 1000;

/// 19 MiB and two passes: the first choice of OWASP's password storage cheat sheet for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes made at once; each holds 19 MiB and one thread.
const AT_ONCE: usize = 4;

/// Says what is wrong with a new password.
///
/// # Errors
/// The reason, with the fix.
pub fn check(password: &str) -> std::result::Result<(), String> {
    match password.chars().count() {
        0 => Err("is missing: give a password".to_owned()),
        n if n < LENGTH_MIN => Err(format!("must be at least {LENGTH_MIN} characters long")),
        n if n > LENGTH_MAX => Err(format!("must be at most {LENGTH_MAX} characters long")),
        _ if password.contains('\0') => Err("must not contain the NUL character".to_owned()),
        _ => Ok(()),
    }
}

/// Hashes and compares passwords on threads of their own, few at a time. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// The hash to store for `password`, with a salt of its own.
    ///
    /// # Errors
    /// [`Error::Hash`] when the machine cannot make one.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.on_a_thread(move || hash(&password)).await?
    }

    /// Whether `password` belongs to `stored`. Takes as long when there is no such user (`None`), so that the time tells nothing.
    ///
    /// # Errors
    /// [`Error::Hash`] when the machine cannot compare.
    pub async fn verify(&self, stored: Option<String>, password: &str) -> Result<bool> {
        // Nobody's password is that long; comparing it would only cost time.
        if password.chars().count() > LENGTH_MAX {
            return Ok(false);
        }
        let password = password.to_owned();
        self.on_a_thread(move || match stored {
            Some(stored) => verify(&stored, &password),
            None => hash(&password).map(|_| false),
        })
        .await?
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|error| Error::Hash(error.to_string()))?;
        let run = move || {
            // Held by the thread, not by the caller: a caller that goes away does not free the memory.
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(run).await.map_err(|error| Error::Hash(error.to_string()))
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| Error::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String> {
    argon2()?
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Error::Hash(error.to_string()))
}

fn verify(stored: &str, password: &str) -> Result<bool> {
    let stored = PasswordHash::new(stored).map_err(|error| Error::Hash(error.to_string()))?;
    Ok(argon2()?.verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_alone() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(passwords.verify(Some(stored.clone()), "correct horse").await.unwrap());
        assert!(!passwords.verify(Some(stored.clone()), "correct horsf").await.unwrap());
        assert!(!passwords.verify(None, "correct horse").await.unwrap());
        assert_ne!(stored, passwords.hash("correct horse").await.unwrap(), "salted");
    }

    #[test]
    fn too_short_too_long_and_nul_are_refused() {
        assert!(check("").is_err());
        assert!(check("seven77").is_err());
        assert!(check("eight888").is_ok());
        assert!(check("пароль12").is_ok(), "characters are counted, not bytes");
        assert!(check(&"x".repeat(1000)).is_ok());
        assert!(check(&"x".repeat(1001)).is_err());
        assert!(check("eight\0888").is_err());
    }
}
