//! What the helper says to Git before it connects anywhere. That this file exists also makes `cargo test` build the
//! binary, which the stories in `tests/` use.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn say(url: &str, input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_git-remote-dits"));
    command.args(["origin", url]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the helper starts");
    // It may end before it has read everything; what it printed tells.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the helper ends")
}

#[test]
fn it_can_connect_and_supports_no_options() {
    let output = say("dits://127.0.0.1:9/team/project", "capabilities\noption verbosity 1\n\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "connect\n\nunsupported\n");
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn an_address_that_is_not_ours_is_refused() {
    for (url, words) in [
        ("ext::sh -c true", "fatal: 'ext::sh -c true' is no address that git-remote-dits can use\n"),
        ("host:-x", "fatal: strange pathname '-x' blocked\n"),
        ("ext://sh", "fatal: transport 'ext' not allowed\n"),
    ] {
        let output = say(url, "capabilities\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), words);
        assert_eq!(output.status.code(), Some(128));
    }
}

#[test]
fn the_program_over_there_can_be_named() {
    let output = say("/nowhere", "capabilities\noption servpath /opt/git-upload-pack\noption depth 1\n\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "connect\noption\n\nok\nunsupported\n");
}

#[test]
fn a_command_it_does_not_know_ends_it() {
    let output = say("dits://127.0.0.1:9/team/project", "list\n");
    assert_eq!(output.status.code(), Some(128));
    assert!(String::from_utf8(output.stderr).unwrap().contains("'list'"));
}
