//! The git origin against a real git: what is pushed lands, what may not be seen is not.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod common;

use std::path::Path;

use common::{Scene, has, run, succeed};
use exeat_demo::{Error, GitOrigin, Login};
use tokio::process::Command;

async fn origin(scene: &Scene) -> GitOrigin {
    let login = Login { username: "x-access-token".to_owned(), password: "s3cret".to_owned() };
    let origin = GitOrigin::start(&scene.authority, "github.com", &scene.path("repositories"), login).await.unwrap();
    origin.create_repository("acme/site").await.unwrap();
    origin
}

/// Git that finds github.com at the origin. Its port is the origin's own, which real clients reach by the gateway.
fn git(scene: &Scene, origin: &GitOrigin, folder: &Path) -> Command {
    let address = origin.address();
    let mut git = scene.command("git", folder);
    git.env("GIT_SSL_CAINFO", scene.path("ca.pem")).env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
    git.args(["-c", &format!("http.curloptResolve=github.com:{}:{}", address.port(), address.ip())]);
    git.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]);
    git
}

fn url(origin: &GitOrigin, login: &str) -> String {
    format!("https://{login}github.com:{}/acme/site.git", origin.address().port())
}

const LOGIN: &str = "x-access-token:s3cret@";

#[tokio::test]
async fn a_push_lands_and_is_written_down() {
    if !has("git") {
        return;
    }
    let scene = Scene::new();
    let origin = origin(&scene).await;
    let clone = scene.path("clone");
    let here = scene.path("");
    succeed(git(&scene, &origin, &here).args(["clone", "--quiet", &url(&origin, LOGIN)]).arg(&clone)).await;
    assert!(clone.join("README.md").is_file());

    // Larger than `http.postBuffer`, so that git sends it in chunks after a probe.
    let noise: Vec<u8> =
        (0..3_000_000_u64).map(|at| (at.wrapping_mul(at).wrapping_mul(0x9E37_79B9) >> 13) as u8).collect();
    std::fs::write(clone.join("noise"), noise).unwrap();
    succeed(git(&scene, &origin, &clone).args(["add", "noise"])).await;
    succeed(git(&scene, &origin, &clone).args(["commit", "--quiet", "-m", "noise"])).await;
    let before = origin.refs("acme/site").await.unwrap();
    origin.clear();
    succeed(git(&scene, &origin, &clone).args(["push", "--quiet", "origin", "HEAD:refs/heads/topic"])).await;

    let head = succeed(git(&scene, &origin, &clone).args(["rev-parse", "HEAD"])).await;
    let after = origin.refs("acme/site").await.unwrap();
    assert_eq!(after["refs/heads/topic"], head.trim());
    assert_eq!(after["refs/heads/main"], before["refs/heads/main"]);
    assert_eq!(after.len(), 2);

    let seen = origin.seen();
    let packs = seen.iter().filter(|seen| seen.target == "/acme/site.git/git-receive-pack");
    let pack = packs.max_by_key(|seen| seen.body_length).unwrap();
    assert!(pack.complete && pack.body_length > 1024 * 1024, "{seen:?}");
    assert_eq!(pack.header("content-length"), None);
}

#[tokio::test]
async fn a_compressed_request_is_understood() {
    if !has("git") {
        return;
    }
    let scene = Scene::new();
    let origin = origin(&scene).await;
    let work = scene.path("work");
    let here = scene.path("");
    succeed(git(&scene, &origin, &here).args(["clone", "--quiet", &url(&origin, LOGIN)]).arg(&work)).await;
    // So many commits of their own that what the clone asks for exceeds the 1,024 bytes above which git compresses.
    for number in 0..40 {
        let branch = format!("branch-{number}");
        succeed(git(&scene, &origin, &work).args(["checkout", "--quiet", "-b", &branch, "origin/main"])).await;
        succeed(git(&scene, &origin, &work).args(["commit", "--quiet", "--allow-empty", "-m", &branch])).await;
    }
    succeed(git(&scene, &origin, &work).args(["push", "--quiet", "--all", "origin"])).await;
    origin.clear();
    let again = scene.path("again");
    succeed(git(&scene, &origin, &here).args(["clone", "--quiet", &url(&origin, LOGIN)]).arg(&again)).await;
    let seen = origin.seen();
    assert!(seen.iter().any(|seen| seen.header("content-encoding") == Some("gzip")), "{seen:?}");
    assert_eq!(origin.refs("acme/site").await.unwrap().len(), 41);
}

#[tokio::test]
async fn without_the_login_there_is_nothing() {
    if !has("git") {
        return;
    }
    let scene = Scene::new();
    let origin = origin(&scene).await;
    let here = scene.path("");
    for login in ["", "x-access-token:wrong@"] {
        let (succeeded, printed) = run(git(&scene, &origin, &here).args(["ls-remote", &url(&origin, login)])).await;
        assert!(!succeeded, "{printed}");
    }
    assert!(origin.seen().iter().all(|seen| seen.path() == "/acme/site.git/info/refs"));
}

#[tokio::test]
async fn names_and_paths_stay_in_the_folder() {
    if !has("git") {
        return;
    }
    let scene = Scene::new();
    let origin = origin(&scene).await;
    for name in ["site", "../site", "acme/..", "acme/-x", "a/b/c", "acme/", "/site"] {
        assert!(matches!(origin.create_repository(name).await, Err(Error::Name(_))), "{name}");
    }
    let outside = url(&origin, LOGIN).replace("/acme/site.git", "/acme/..%2f..%2frepositories/acme/site.git");
    let (succeeded, _) = run(git(&scene, &origin, &scene.path("")).args(["ls-remote", &outside])).await;
    assert!(!succeeded);
}
