//! The files that `exeat init` and the demo write: the project's own policies and a commented configuration.

/// Policy files by their name in the policy folder.
pub(crate) const POLICIES: [(&str, &str); 2] = [
    ("base.cedar", include_str!("../../policies/base/base.cedar")),
    ("coder.cedar", include_str!("../../policies/stories/coder.cedar")),
];

/// The organisation and repository that the stories are written for.
pub(crate) const STORY_REPOSITORY: &str = "acme/site";

/// `exeat.toml` with every section explained. `@npm@` stands for the registries' hosts.
pub(crate) const CONFIG: &str = include_str!("files/exeat.toml");
