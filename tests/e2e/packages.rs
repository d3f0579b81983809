//! `scripts/package.sh`: archives and packages of programs that are built.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::script;

const TOOLS: [&str; 5] = ["dm-stage", "dm-health", "dm-smoke", "dm-migrate", "dm-rollback"];

fn run(program: &Path, args: &[&str], folder: &Path) -> String {
    let output =
        Command::new(program).args(args).current_dir(folder).env("SOURCE_DATE_EPOCH", "1700000000").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}: {output:?}", program.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_programs_give_the_same_archive_and_the_same_package() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/package.sh");
    let (programs, outs) =
        (tempfile::tempdir().unwrap(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    for tool in TOOLS {
        script::install(&programs.path().join(tool), &format!("#!/bin/sh\necho {tool} 9.9.9\n"));
    }
    for out in &outs {
        let paths = [programs.path().to_str().unwrap(), out.path().to_str().unwrap()];
        run(&package, &["9.9.9-rc.1", "x86_64-unknown-linux-gnu", paths[0], paths[1]], out.path());
    }
    let name = "dm-tools-9.9.9-rc.1-x86_64-unknown-linux-gnu";
    let (archive, deb) = (format!("{name}.tar.gz"), "dm-tools_9.9.9-rc.1_amd64.deb");
    for file in [archive.as_str(), deb] {
        let bytes = outs.each_ref().map(|out| fs::read(out.path().join(file)).unwrap());
        assert!(bytes[0] == bytes[1], "{file} is another in a second run");
    }

    let out = outs[0].path();
    let listed = run(Path::new("tar"), &["-tvzf", &archive], out);
    for tool in TOOLS {
        for file in [
            format!("bin/{tool}"),
            format!("share/man/man1/{tool}.1"),
            format!("share/bash-completion/completions/{tool}"),
            format!("share/zsh/site-functions/_{tool}"),
            format!("share/fish/vendor_completions.d/{tool}.fish"),
        ] {
            assert!(listed.contains(&format!(" {name}/{file}\n")), "{file}: {listed}");
        }
    }
    for file in
        ["doc/dm-tools/LICENSE-MIT", "doc/dm-tools/THIRD-PARTY-LICENSES", "dm-tools/scripts/deploy-all.sh"]
    {
        assert!(listed.contains(&format!(" {name}/share/{file}\n")), "{file}: {listed}");
    }
    assert!(listed.lines().all(|line| line.contains(" 0/0 ") && line.contains("2023-11-14")), "{listed}");

    let field = |field| run(Path::new("dpkg-deb"), &["--field", deb, field], out);
    assert_eq!((field("Package").as_str(), field("Version").as_str()), ("dm-tools\n", "9.9.9~rc.1\n"));
    let contents = run(Path::new("dpkg-deb"), &["--contents", deb], out);
    assert!(
        contents.contains("./usr/bin/dm-stage\n")
            && contents.contains("./usr/share/man/man1/dm-stage.1.gz\n")
    );
    assert!(contents.lines().all(|line| line.contains(" root/root ")), "{contents}");
}

#[test]
fn the_libraries_in_the_programs_are_named_with_their_licences() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/third-party.sh");
    let text = run(&script, &["x86_64-unknown-linux-gnu"], Path::new("/"));
    for library in ["clap 4", "rustls 0", "aws-lc-rs 1", "Permission is hereby granted"] {
        assert!(text.contains(library), "{library}");
    }
    assert!(
        !text.contains("\nproptest ") && !text.contains("\ndm-common "),
        "neither tests' libraries nor our own"
    );
}
