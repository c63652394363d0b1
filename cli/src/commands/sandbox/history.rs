//! `exeat sandbox history`

use std::process::ExitCode;

use exeat_service::shapes::History;

use super::Namespace;
use super::api::{Api, sandbox_path};
use crate::output::{Output, print_json, print_line, table};
use crate::problem::Problem;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name or id.
    name: String,
    #[command(flatten)]
    namespace: Namespace,
}

pub(super) async fn history(api: &Api, arguments: &Arguments, output: Output) -> Result<ExitCode, Problem> {
    let path = sandbox_path(&arguments.namespace.namespace, &arguments.name, "/history");
    let history: History = api.get(&path).await?;
    match output {
        Output::Json => history.happenings.iter().try_for_each(print_json)?,
        Output::Table => {
            let mut table = table(&["SEQ", "TIME", "WHAT", "ABOUT"]);
            for happening in &history.happenings {
                let time = happening.time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
                // What was run, and what left, was chosen inside.
                let about = happening.about.escape_debug().to_string().replace("\\\"", "\"");
                table.add_row([happening.sequence.to_string(), time, happening.act.clone(), about]);
            }
            print_line(table)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
