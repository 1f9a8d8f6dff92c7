//! What the Git repositories of a realm refer to. Git is asked, in an environment without the owner's settings; a
//! repository that it cannot read is an error, as nobody knows what that needs.

use super::GcError;
use crate::contents::git_in;
use crate::layout::Layout;
use crate::repositories::exists;
use dits_format::Oid;
use dits_repo::roots;
use std::collections::HashSet;

/// The refs of repositories; in tests, others than Git's.
pub(crate) trait Refs {
    /// Whether there is a repository of that name, and not only contents.
    fn hosts(&self, repository: &str) -> bool;

    /// Something that changes when refs of the repository do; `None` when there is none.
    fn state(&self, repository: &str) -> Result<Option<Vec<u8>>, GcError>;

    /// The contents that its refs and reflogs reach.
    fn reached(&self, repository: &str) -> Result<HashSet<Oid>, GcError>;
}

/// Those of a server's folder.
#[derive(Debug)]
pub(crate) struct GitRefs<'a>(pub &'a Layout);

impl Refs for GitRefs<'_> {
    fn hosts(&self, repository: &str) -> bool {
        self.0.repository(repository).is_ok_and(|folder| exists(&folder))
    }

    fn state(&self, repository: &str) -> Result<Option<Vec<u8>>, GcError> {
        let Ok(folder) = self.0.repository(repository) else { return Ok(None) };
        if !exists(&folder) {
            return Ok(None);
        }
        let failed = |source| GcError::Refs { repository: repository.to_owned(), source };
        git_in(&folder).run(&["for-each-ref", "--format=%(objectname) %(refname)"]).map(Some).map_err(failed)
    }

    fn reached(&self, repository: &str) -> Result<HashSet<Oid>, GcError> {
        let failed = |source| GcError::Refs { repository: repository.to_owned(), source };
        let Ok(folder) = self.0.repository(repository) else { return Ok(HashSet::new()) };
        roots::named_by_refs(&git_in(&folder)).map_err(failed)
    }
}
