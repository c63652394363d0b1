//! `exeat policy check`: reads and validates without starting anything.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::assemble::load_policies;
use crate::config::Config;
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Parse and strictly validate every policy.
    Check,
}

pub(crate) fn policy(config: Option<&Path>, command: &Command, output: Output) -> Result<ExitCode, Problem> {
    let Command::Check = command;
    let config = Config::read(config)?;
    let integrations = exeat_integrations::all(&config.integrations).map_err(Problem::input)?;
    let policies = load_policies(&config.policy.directory, &integrations)?;
    let (count, version) = (policies.count(), policies.version());
    match output {
        Output::Json => print_json(&json!({ "valid": true, "policies": count, "policy_version": version.as_str() }))?,
        Output::Table => print_line(format!("{count} policies are valid (version {version})"))?,
    }
    Ok(ExitCode::SUCCESS)
}
