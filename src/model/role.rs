//! What somebody may do in a repository.

use super::words;

words! {
    /// What somebody may do in a repository: GitHub's five roles, the lowest
    /// first.
    pub enum Role("role") {
        /// See it, and comment.
        Read = "read",
        /// Sort issues.
        Triage = "triage",
        /// Push.
        Write = "write",
        /// Settings, short of the dangerous ones.
        Maintain = "maintain",
        /// Everything.
        Admin = "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_rise_from_read_to_admin() {
        assert!(Role::ALL.is_sorted());
        assert!(Role::Read < Role::Triage && Role::Maintain < Role::Admin);
    }
}
