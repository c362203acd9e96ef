use super::*;

fn parse(text: &str) -> Result<BenchmarkConfig, String> {
    let variable = |name: &str| (name == "HOOK").then(|| "https://example.com/secret".to_owned());
    BenchmarkConfig::parse(text, Utf8Path::new("/project"), variable)
}

/// The file that `docs/continuous.md` shows.
fn documented() -> String {
    documented_at("# Benchmarks that run by themselves")
}

/// The first TOML that stands below a heading there.
fn documented_at(heading: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/continuous.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let (_, rest) = section.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_documented_file_is_understood() {
    let text = documented();
    let set = |_: &str| Some("https://hooks.example.com/T0/B0/secret".to_owned());
    let config = BenchmarkConfig::parse(&text, Utf8Path::new("/project"), set).unwrap();
    let core = &config.suites[0];
    assert_eq!(core.name, "core");
    assert_eq!(core.command[..2], ["cargo", "bench"]);
    assert_eq!((core.runs, core.timeout), (5, Duration::from_secs(1800)));
    assert_eq!(core.schedules.len(), 3);
    assert!(config.suites.len() >= 2 && config.channels.len() >= 4);
    assert!(!format!("{config:?}").contains("secret"));
    assert_eq!(config.report_folder.as_deref(), Some("/project/public/benchmarks".into()));
}

#[test]
fn the_documented_mail_is_understood() {
    let text = documented_at("### Mail");
    let set = |name: &str| (name == "SMTP_PASSWORD").then(|| "secret".to_owned());
    let config = BenchmarkConfig::parse(&text, Utf8Path::new("/project"), set).unwrap();
    assert_eq!(config.channels.len(), 1);
    assert!(!format!("{config:?}").contains("\"secret\""));
}

#[test]
fn what_has_no_meaning_is_refused_with_its_place() {
    let suite = "[[suite]]\nname = \"a\"\ncommand = [\"true\"]\n";
    let alert = "[[alert]]\n";
    for (text, said) in [
        ("[[suite]]\nname = \"a\"\n".to_owned(), "missing field `command`"),
        (suite.replace("\"a\"", "\"a/b\""), "name of a folder"),
        (suite.replace("\"a\"", "\"latest\""), "meaning of its own"),
        (suite.replace("\"true\"", ""), "name a program"),
        (format!("{suite}runs = 0"), "runs has to be"),
        (format!("{suite}timeout = \"soon\""), "timeout has to be"),
        (format!("{suite}timeout = \"-5m\""), "timeout has to be"),
        (format!("{suite}speed = 1"), "unknown field `speed`"),
        (format!("{suite}schedule = [{{ every = \"1h\", cron = \"@daily\" }}]"), "one of every"),
        (format!("{suite}schedule = [{{ cron = \"61 * * * *\" }}]"), "not a cron expression"),
        (format!("{suite}schedule = [{{ every = \"1h\", poll = \"1m\" }}]"), "belong to branch"),
        (format!("{suite}schedule = [{{ branch = \"--upload-pack=x\" }}]"), "have to be names"),
        (format!("{suite}results = [\"/etc/passwd\"]"), "is not"),
        (format!("{suite}{suite}"), "two suites are called `a`"),
        (format!("{alert}to = \"pigeon\""), "`pigeon`"),
        (format!("{alert}to = \"file\""), "needs path"),
        (format!("{alert}to = \"webhook\""), "either url or url_env"),
        (format!("{alert}to = \"webhook\"\nurl_env = \"UNSET\""), "UNSET is not set"),
        (format!("{alert}to = \"webhook\"\nurl = \"ftp://x\""), "starts with https"),
        (format!("{alert}to = \"webhook\"\nurl_env = \"HOOK\"\nshape = \"fax\""), "`fax`"),
        (format!("{alert}to = \"stdout\"\nsuites = [\"b\"]"), "there is no suite `b`"),
    ] {
        let reason = parse(&text).unwrap_err();
        assert!(reason.contains(said), "{text}\n-> {reason}");
        assert!(!reason.contains("example.com/secret"), "{reason}");
    }
}

#[test]
fn folders_are_meant_from_the_file() {
    let suite = "[[suite]]\nname = \"a\"\ncommand = [\"true\"]\n";
    assert_eq!(parse(suite).unwrap().suites[0].folder, "/project");
    let config = parse(&format!("{suite}folder = \"crates/x\"")).unwrap();
    assert_eq!(config.suites[0].folder, "/project/crates/x");
    assert_eq!(config.suites[0].runs, 3);
}

#[test]
fn mail_that_cannot_be_sent_is_refused_with_its_place() {
    let email = |more: &str| format!("[[alert]]\nto = \"email\"\n{more}");
    for (text, said) in [
        (email(""), "needs server"),
        (email("server = \"mail.example.com\""), "needs from"),
        (email("server = \"mail.example.com\"\nfrom = \"a@example.com\""), "needs recipients"),
        (email("server = \"m\"\nfrom = \"nobody\""), "`nobody` is no mail address"),
        (email("server = \"m\"\nsecurity = \"rot13\""), "`rot13`"),
        (email("server = \"m\"\nuser = \"u\""), "belong together"),
        (email("server = \"m\"\nuser = \"u\"\npassword_env = \"UNSET\""), "UNSET is not set"),
        (
            email("server = \"m\"\nuser = \"u\"\npassword_env = \"HOOK\"\nsecurity = \"none\""),
            "not sent unprotected",
        ),
    ] {
        let reason = parse(&text).unwrap_err();
        assert!(reason.contains(said), "{text}\n-> {reason}");
        assert!(!reason.contains("example.com/secret"), "{reason}");
    }
}
