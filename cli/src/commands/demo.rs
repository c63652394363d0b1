//! `exeat demo`: the whole story on this machine.

use std::process::ExitCode;

use exeat_demo::{Props, Stage, Step, play};

use crate::files;
use crate::output::{Output, print_json, print_line};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn demo(_: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Runtime::new().map_err(Problem::failure)?;
    runtime.block_on(tell(output))
}

async fn tell(output: Output) -> Result<ExitCode, Problem> {
    exeat_local::find_runsc(None).map_err(Problem::failure)?;
    exeat_local::check_host().map_err(Problem::failure)?;
    if output == Output::Table {
        print_line("Setting the stage: a git server as github.com, an npm registry, a gateway …")?;
    }
    let props = Props {
        exeat: std::env::current_exe().map_err(Problem::failure)?,
        policies: files::POLICIES.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec(),
        extra_config: String::new(),
    };
    let stage = Stage::set(props).await.map_err(Problem::failure)?;
    let mut printed = Ok(());
    let steps = play(&stage, |step| {
        let print = || if output == Output::Json { print_json(step) } else { print_line(lines(step)) };
        printed = std::mem::replace(&mut printed, Ok(())).and_then(|()| print());
    });
    let steps = steps.await.map_err(Problem::failure)?;
    printed?;
    if output == Output::Table {
        let journal = stage.exeat(&["audit", "list"]).await.map_err(Problem::failure)?;
        print_line(format!("\nThe journal (`exeat audit list`):\n{}", journal.stdout))?;
        let verified = stage.exeat(&["audit", "verify"]).await.map_err(Problem::failure)?;
        print_line(format!("`exeat audit verify`:\n{}", verified.stdout))?;
    }
    let wrong = steps.iter().filter(|step| !step.ok).count();
    if output == Output::Table {
        print_line(format!("{} of {} steps went as they should", steps.len() - wrong, steps.len()))?;
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(step: &Step) -> String {
    let mark = if step.ok { '✓' } else { '✗' };
    format!("{mark} {}\n    {}", step.expected, step.observed)
}
