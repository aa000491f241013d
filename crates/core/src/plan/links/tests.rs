//! Host names in texts: what counts, and what only looks so.

use super::words::{Kind, TEXT_BYTES_MAX, connects, hosts};

fn value(key: &str, text: &str) -> Vec<String> {
    hosts(key, text, Kind::Json).into_iter().collect()
}

fn script(text: &str) -> Vec<String> {
    hosts("", text, Kind::Script).into_iter().collect()
}

#[test]
fn hosts_are_found_in_urls_whatever_stands_before_and_behind() {
    for (text, expected) in [
        ("postgres://shop@db:5432/shop", &["db"][..]),
        ("postgresql://db:secret@pg-main/other", &["pg-main"]),
        (
            "mysql://u:p@maria.shop.svc.cluster.local:3306/x",
            &["maria.shop.svc.cluster.local"],
        ),
        (
            "mongodb://u:p@m-0.m:27017,m-1.m:27017/?replicaSet=rs",
            &["m-0.m", "m-1.m"],
        ),
        (
            "mongodb+srv://mongo-svc.data.svc/x",
            &["mongo-svc.data.svc"],
        ),
        ("amqps://guest:guest@rabbit/%2f", &["rabbit"]),
        ("redis://:p@cache:6379/0", &["cache"]),
        ("rediss://cache", &["cache"]),
        ("jdbc:postgresql://db:5432/app?user=app", &["db"]),
        ("jdbc:sqlserver://mssql;databaseName=x", &["mssql"]),
        ("jdbc:oracle:thin:@ora:1521:xe", &["ora"]),
        ("app:p@tcp(maria:3306)/shop?parseTime=true", &["maria"]),
        (
            "kafka-kafka-bootstrap:9092,other:9092",
            &["kafka-kafka-bootstrap", "other"],
        ),
        (
            "http://search.logs:9200/_bulk and https://api/",
            &["api", "search.logs"],
        ),
    ] {
        assert_eq!(value("SETTING", text), expected, "{text}");
    }
}

#[test]
fn a_bare_name_counts_only_where_its_place_says_that_it_is_a_host() {
    for (key, text, expected) in [
        ("DB_HOST", "db", &["db"][..]),
        ("PGHOST", "db", &["db"]),
        ("REDIS", "cache", &["cache"]),
        ("POSTGRES_USER", "db", &[]),
        ("POSTGRES_DB", "db", &[]),
        ("PGDATABASE", "db", &[]),
        ("CACHE_DRIVER", "redis", &[]),
        ("LOG_LEVEL", "db", &[]),
        ("HOSTS", "one, two:80,Three", &["one", "two"]),
        ("FEATURES", "one,two", &[]),
        ("NOTE", "the db is old", &[]),
        ("IMAGE", "postgres:16", &[]),
        ("PATH_", "/var/lib/db:/x", &[]),
        (
            "config.yaml",
            "database:\n  host: db\n  name: shop\n",
            &["db"],
        ),
        ("config.json", r#"{"host": "db", "user": "web"}"#, &["db"]),
        ("config.ini", "server=db\nlevel=web\n", &["db"]),
        ("config.xml", "<host>db</host>", &["db"]),
        ("template", "host=${db} other=$db", &[]),
    ] {
        assert_eq!(value(key, text), expected, "{key}={text}");
    }
}

#[test]
fn scripts_that_connect_name_hosts_as_bare_arguments() {
    for (text, expected) in [
        ("until nc -z db 5432; do sleep 2; done", &["db"][..]),
        ("pg_isready -h db -p 5432 -U shop -d web", &["db"]),
        ("/wait-for-it.sh db:5432 -t 30 -- web serve", &["db"]),
        (
            "until curl -sf http://api/health; do echo web; done",
            &["api"],
        ),
        ("exec 3<>/dev/tcp/db/5432", &["db"]),
        (
            "until mysqladmin ping -h maria --silent; do :; done",
            &["maria"],
        ),
    ] {
        assert!(connects(text), "{text}");
        let found = script(text);
        for host in expected {
            assert!(found.contains(&(*host).to_owned()), "{text}: {found:?}");
        }
        assert!(!found.contains(&"web".to_owned()), "{text}: {found:?}");
    }
    assert!(!connects("cp -r /db /web && echo fancy"));
    assert_eq!(script("serve web --port 80"), [""; 0]);
}

#[test]
fn long_broken_and_hostile_texts_are_borne() {
    for text in [
        "://",
        "@",
        "://@:,,:@//",
        "a://\u{1F600}",
        "host=",
        "::::",
        "-h",
        "\u{0}\u{7f}",
        "x://y@",
        "-----BEGIN CERTIFICATE-----\nhost: db",
    ] {
        assert_eq!(value("KEY", text), [""; 0], "{text}");
    }
    let long = format!("{}\nhost: db\n", "ü".repeat(TEXT_BYTES_MAX));
    assert_eq!(value("file", &long), [""; 0], "past the limit");
    let many: Vec<String> = (0..10_000).map(|n| format!("host: h{n}")).collect();
    assert!(value("file", &many.join("\n")).len() <= 256);
    let urls = "a://".repeat(10_000);
    assert_eq!(value("file", &urls), ["a"]);
}
