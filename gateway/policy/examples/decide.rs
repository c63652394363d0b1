//! How long one decision takes: `cargo run --release -p exeat-policy --example decide`.

use std::path::Path;
use std::time::Instant;

use exeat_core::Session;
use exeat_integrations::cases::{config, load_cases, understand};
use exeat_policy::{Policies, Source};

const DECISIONS: u32 = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let integrations = exeat_integrations::all(&config())?;
    let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
    let policies = Policies::load(Source::new(folder, known))?;
    let session =
        Session { id: "coder-1".into(), profile: "coder".into(), user: "user".into(), teams: vec!["web".into()] };
    for name in ["github: ", "npm: ", "http: "] {
        let case = load_cases()?.into_iter().find(|case| case.name.starts_with(name)).ok_or("no case")?;
        let operations = understand(integrations.claiming(case.request.authority()), &case.request, &case.body)?;
        let began = Instant::now();
        for _ in 0..DECISIONS {
            let _ = policies.decide(&session, case.request.clone(), operations.clone());
        }
        println!("{:<40} {:>8.2} µs", case.name, began.elapsed().as_secs_f64() * 1e6 / f64::from(DECISIONS));
    }
    Ok(())
}
