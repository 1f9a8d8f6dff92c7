//! Shapes of repositories: what differs from a plain one, and how such a one is made.

/// One shape.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// For messages and the table of exceptions.
    pub name: &'static str,
    /// First Git that has it.
    pub since: (u32, u32),
    /// Options of `git init`.
    pub init: &'static str,
    /// Configuration, set before the first commit.
    pub config: &'static [(&'static str, &'static str)],
    /// What is done when all is there, as a script.
    pub after: &'static str,
    /// How it comes into being.
    pub origin: Origin,
    /// The twin whose results it must have; shapes of one name share them.
    pub twin: &'static str,
}

/// How a repository comes into being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By its own commits.
    Built,
    /// As a clone with these options.
    Cloned(&'static str),
    /// As a bare clone.
    Bare,
    /// As a linked worktree.
    Linked,
    /// As a mount.
    Mounted,
    /// As a submodule: the commands run inside.
    Submodule,
    /// As a repository with a submodule: the commands run outside.
    Super,
}

/// A plain repository, and the base of all shapes.
pub const BUILT: Shape = Shape {
    name: "plain",
    since: (0, 0),
    init: "",
    config: &[],
    after: "",
    origin: Origin::Built,
    twin: "plain",
};

impl Shape {
    /// Where the scripts run, from the top of the box.
    pub fn work(&self) -> &'static str {
        if self.origin == Origin::Submodule { "super/repo" } else { "repo" }
    }

    /// The script that makes it, in an empty box.
    pub fn script(&self) -> String {
        let config: String =
            self.config.iter().map(|(key, value)| format!("git config {key} {value}\n")).collect();
        let built = |name: &str| {
            let (init, history) = (self.init, include_str!("history.sh"));
            format!(
                "git init -q {init} {name}\ncd {name}\n{config}{history}git remote add origin \"$URL\"\n\
                 git push -q origin --all\n"
            )
        };
        let branches = "for b in other third clash moved ahead; do git branch -q $b origin/$b; done\n";
        let made = match self.origin {
            Origin::Built => built("repo"),
            Origin::Cloned(options) => {
                format!(
                    "{}cd ..\nrm -rf seed\ngit clone -q {options} \"$URL\" repo\ncd repo\n{branches}",
                    built("seed")
                )
            }
            Origin::Bare => {
                format!("{}cd ..\nrm -rf seed\ngit clone -q --bare \"$URL\" repo\ncd repo\n", built("seed"))
            }
            Origin::Linked => format!(
                "{}git switch -q --detach\ngit worktree add -q ../repo main\ncd ../repo\n",
                built("first")
            ),
            Origin::Mounted => {
                format!("{}git switch -q --detach\ngit dits mount ../repo main\ncd ../repo\n", built("first"))
            }
            Origin::Submodule => format!(
                "{}cd ..\nrm -rf seed\ngit init -q super\ncd super\ngit submodule --quiet add \"$URL\" repo\n\
                 git commit -q -m super\ncd repo\n{branches}",
                built("seed")
            ),
            Origin::Super => format!(
                "{}cd ..\nrm -rf seed\ngit init -q repo\ncd repo\ngit submodule --quiet add \"$URL\" part\n\
                 (cd part && git checkout -q main~1)\ngit add part\ngit commit -q -m super\n\
                 git push -q \"$SUPER\" main\n",
                built("seed")
            ),
        };
        format!("{made}{}\n", self.after)
    }
}
