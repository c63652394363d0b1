//! The npm origin against a real npm: publish with the token, install without.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Scene, has, run, succeed};
use exeat_demo::{Error, NpmOrigin};
use tokio::process::Command;

async fn origin(scene: &Scene) -> Option<NpmOrigin> {
    match NpmOrigin::is_available() {
        Ok(program) => Some(NpmOrigin::start(&scene.authority, "localhost", &program).await.unwrap()),
        Err(why) => {
            println!("skipped: needs verdaccio ({why})");
            None
        }
    }
}

fn npm(scene: &Scene, origin: &NpmOrigin, folder: &Path) -> Command {
    let mut npm = scene.command("npm", folder);
    // Not by NODE_EXTRA_CA_CERTS, which counts for nothing where a global npmrc names a `cafile`.
    npm.env("npm_config_cafile", scene.path("ca.pem")).env("npm_config_cache", scene.path("cache"));
    npm.env("npm_config_fetch_retries", "0");
    npm.env("npm_config_registry", format!("https://{}/", host(origin))).env("npm_config_update_notifier", "false");
    npm.env("npm_config_audit", "false");
    npm
}

fn host(origin: &NpmOrigin) -> String {
    format!("localhost:{}", origin.address().port())
}

fn package(scene: &Scene, name: &str) -> std::path::PathBuf {
    let folder = scene.path("package");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("package.json"), format!("{{\"name\":\"{name}\",\"version\":\"1.2.3\"}}")).unwrap();
    std::fs::write(folder.join("index.js"), "module.exports = 'published';").unwrap();
    folder
}

#[tokio::test]
async fn what_is_published_can_be_installed() {
    let scene = Scene::new();
    if !has("npm") {
        return;
    }
    let Some(origin) = origin(&scene).await else { return };
    let folder = package(&scene, "@acme/ui");

    let (succeeded, printed) = run(npm(&scene, &origin, &folder).arg("publish")).await;
    assert!(!succeeded, "published without a token: {printed}");
    assert_eq!(origin.versions("@acme/ui").await.unwrap(), Vec::<String>::new());

    let line = format!("//{}/:_authToken={}\n", host(&origin), origin.token());
    std::fs::write(scene.path(".npmrc"), line).unwrap();
    succeed(npm(&scene, &origin, &folder).arg("publish")).await;
    assert_eq!(origin.versions("@acme/ui").await.unwrap(), ["1.2.3"]);
    let seen = origin.seen();
    let publication = seen.iter().find(|seen| seen.method == "PUT").unwrap();
    assert_eq!(publication.target, "/@acme%2fui");
    assert_eq!(publication.header("authorization"), Some(format!("Bearer {}", origin.token()).as_str()));

    std::fs::remove_file(scene.path(".npmrc")).unwrap();
    let app = scene.path("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("package.json"), "{}").unwrap();
    succeed(npm(&scene, &origin, &app).args(["install", "@acme/ui"])).await;
    let index = std::fs::read_to_string(app.join("node_modules/@acme/ui/index.js")).unwrap();
    assert_eq!(index, "module.exports = 'published';");
    let lock = std::fs::read_to_string(app.join("package-lock.json")).unwrap();
    assert!(lock.contains(&format!("https://{}/@acme/ui/-/ui-1.2.3.tgz", host(&origin))), "{lock}");
}

#[tokio::test]
async fn a_seeded_package_can_be_installed() {
    let scene = Scene::new();
    if !has("npm") {
        return;
    }
    let Some(origin) = origin(&scene).await else { return };
    origin.seed_package("left-pad", "1.0.0").await.unwrap();
    origin.seed_package("left-pad", "1.1.0").await.unwrap();
    assert!(matches!(origin.seed_package("left-pad", "1.0.0").await, Err(Error::Verdaccio { .. })));
    assert_eq!(origin.versions("left-pad").await.unwrap(), ["1.0.0", "1.1.0"]);
    assert!(origin.seen().is_empty());

    let app = scene.path("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("package.json"), "{}").unwrap();
    succeed(npm(&scene, &origin, &app).args(["install", "left-pad@1.0.0"])).await;
    let printed = succeed(scene.command("node", &app).args(["-p", "require('left-pad')"])).await;
    assert_eq!(printed.trim(), "1.0.0");
}

#[tokio::test]
async fn nobody_else_can_register() {
    let scene = Scene::new();
    if !has("curl") {
        return;
    }
    let Some(origin) = origin(&scene).await else { return };
    let mut curl = scene.command("curl", &scene.path(""));
    curl.args(["-s", "-X", "PUT", "-H", "content-type: application/json", "-d"]);
    curl.arg(r#"{"name":"eve","password":"long enough"}"#).arg("--cacert").arg(scene.path("ca.pem"));
    let printed = succeed(curl.arg(format!("https://{}/-/user/org.couchdb.user:eve", host(&origin)))).await;
    assert!(printed.contains("maximum amount of users"), "{printed}");
}

#[tokio::test]
async fn dropped_it_leaves_no_process() {
    let scene = Scene::new();
    let Some(origin) = origin(&scene).await else { return };
    let process = format!("/proc/{}", origin.process_id().unwrap());
    assert!(Path::new(&process).exists());
    drop(origin);
    for _ in 0..100 {
        if !Path::new(&process).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("verdaccio runs on");
}

#[tokio::test]
async fn a_verdaccio_that_fails_says_why() {
    let scene = Scene::new();
    let program = scene.path("verdaccio");
    std::fs::write(&program, "#!/bin/sh\necho no space left >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let Err(error) = NpmOrigin::start(&scene.authority, "localhost", &program).await else {
        panic!("it started");
    };
    let message = error.to_string();
    assert!(message.contains("exit status: 3") && message.contains("no space left"), "{message}");
}
