//! `exeat init`: something to start from.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::json;

use crate::files;
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to write; the current folder without it.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The repository, `OWNER/NAME`, that the policies are written for; without it the GitHub remote of the folder.
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
}

pub(crate) fn init(arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let directory = arguments.directory.clone().unwrap_or_else(|| ".".into());
    let repository = match &arguments.repository {
        Some(repository) => Some(checked(repository)?),
        None => github_remote(&directory),
    };
    let registries = exeat_integrations::npm::detect().unwrap_or_default();
    let config = files::CONFIG.replace("@npm@", &json!(registries).to_string());
    let mut planned = vec![(directory.join("exeat.toml"), config)];
    for (name, text) in files::POLICIES {
        planned.push((directory.join("policies").join(name), for_repository(text, repository.as_deref())));
    }
    // All or nothing: a half-written folder would be worse than a message.
    if let Some((path, _)) = planned.iter().find(|(path, _)| path.exists()) {
        return Err(Problem::input(format!("`{}` is there already", path.display()))
            .advise("move it away first, or name another folder: `exeat init DIR`"));
    }
    for (path, text) in &planned {
        write_new(path, text)?;
    }
    report(&planned, repository.as_deref(), &registries, output)
}

fn report(
    written: &[(PathBuf, String)], repository: Option<&str>, registries: &[String], output: Output,
) -> Result<ExitCode, Problem> {
    let paths: Vec<_> = written.iter().map(|(path, _)| path.display().to_string()).collect();
    if output == Output::Json {
        print_json(&json!({ "written": paths, "repository": repository, "npm": registries }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for path in &paths {
        print_line(format!("wrote {path}"))?;
    }
    match repository {
        Some(repository) => print_line(format!("the policies let a coder work on {repository}"))?,
        None => print_line(format!(
            "the policies are an example for {}: put your repository there, or use --repository OWNER/NAME",
            files::STORY_REPOSITORY
        ))?,
    }
    if registries.is_empty() {
        print_line("no npm was found here: add your registries under [integrations.npm] if you use it")?;
    }
    print_line("next: put a [[credential]] into exeat.toml, then `exeat run -- bash`")?;
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, text: &str) -> Result<(), Problem> {
    let fails = |error: std::io::Error| Problem::failure(format!("`{}` cannot be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fails)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(fails)?;
    file.write_all(text.as_bytes()).map_err(fails)
}

fn checked(repository: &str) -> Result<String, Problem> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    match repository.split_once('/') {
        // GitHub does not tell cases apart, and the ids that policies see are in lower case.
        Some((owner, name)) if plain(owner) && plain(name) => Ok(repository.to_lowercase()),
        _ => Err(Problem::input(format!("`{repository}` is not a repository")).advise("write it as `OWNER/NAME`")),
    }
}

/// The repository of the folder's `origin`, where that is on GitHub.
fn github_remote(directory: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(directory).args(["remote", "get-url", "origin"]).stdin(Stdio::null()).stderr(Stdio::null());
    let url = String::from_utf8(git.output().ok()?.stdout).ok()?;
    let (_, path) = url.trim().split_once("github.com")?;
    checked(path.trim_start_matches([':', '/']).trim_end_matches(".git")).ok()
}

/// A story's text with its repository and organisation replaced.
fn for_repository(text: &str, repository: Option<&str>) -> String {
    let Some((owner, _)) = repository.and_then(|repository| repository.split_once('/')) else { return text.to_owned() };
    let repository = repository.unwrap_or_default();
    text.replace(files::STORY_REPOSITORY, repository)
        .replace("\"acme\"", &format!("\"{owner}\""))
        .replace("@acme/", &format!("@{owner}/"))
        .replace(&format!(" Change `acme` and `{repository}` to yours."), "")
}
