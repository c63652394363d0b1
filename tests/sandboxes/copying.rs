//! Files in and out.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{boxed, done, end, sandbox, script};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_in_and_comes_out_as_it_was() {
    let Some(scenario) = boxed().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mine, back) = (folder.path().join("mine"), folder.path().join("back"));
    let long = format!("deep/{}", "x".repeat(150));
    fs::create_dir_all(mine.join("deep")).unwrap();
    fs::write(mine.join(&long), vec![7; 300_000]).unwrap();
    fs::write(mine.join("empty"), "").unwrap();
    symlink("deep", mine.join("link")).unwrap();

    done(&scenario, &["copy", mine.to_str().unwrap(), "box:/workspace/theirs"]).await;
    assert_eq!(script(&scenario, "cd theirs && find . | sort | cut -c1-8 && readlink link").await.lines().count(), 6);
    done(&scenario, &["copy", "box:theirs", back.to_str().unwrap()]).await;
    assert_eq!(fs::read(back.join(&long)).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::read(back.join("empty")).unwrap(), b"");
    assert_eq!(fs::read_link(back.join("link")).unwrap().to_str(), Some("deep"));

    let again = sandbox(&scenario, &["copy", "box:theirs", back.to_str().unwrap()]).await;
    assert_eq!(again.code, 0, "into the folder: {}", again.said());
    assert!(back.join("theirs/empty").exists());
    let over = sandbox(&scenario, &["copy", "box:theirs", back.to_str().unwrap()]).await;
    assert_eq!(over.code, 2, "{}", over.said());
    assert!(over.said().contains("is there already"), "{}", over.said());
    end(&scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_stay_behind() {
    let Some(scenario) = boxed().await else { return };
    let folder = tempfile::tempdir().unwrap();
    script(&scenario, "mkdir t && ln -s /etc/passwd t/absolute && ln -s ../../x t/up && echo kept > t/file").await;
    let ran = sandbox(&scenario, &["copy", "box:t", folder.path().to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(ran.said().contains("2 links"), "{}", ran.said());
    let names: Vec<_> =
        fs::read_dir(folder.path().join("t")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
    let missing = sandbox(&scenario, &["copy", "box:nothing", folder.path().to_str().unwrap()]).await;
    assert_eq!(missing.code, 2, "{}", missing.said());
    end(&scenario).await;
}
