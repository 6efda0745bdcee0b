//! Who may do what: users, roles, passwords, sessions and API tokens.

crate::words! {
    /// What a user or a token may do; each role may all that the ones before it may.
    pub enum Role {
        /// Reads.
        Viewer = "viewer",
        /// Changes monitors, channels, windows and incidents.
        Editor = "editor",
        /// Changes users, tokens and settings too.
        Admin = "admin",
    }
}
