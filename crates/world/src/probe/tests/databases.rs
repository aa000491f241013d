//! Redis, PostgreSQL and MySQL, each in its own protocol.

use refloat_core::probe::{Ask, Cause, Sql};

use super::{Server, asks, asks_as};
use crate::probe::ProbeCredentials;

#[tokio::test]
async fn redis_in_its_own_protocol() {
    let cases: [(&[u8], Result<&str, Cause>); 9] = [
        (b"+PONG\r\n", Ok("PONG")),
        (b"+PONG\n", Ok("PONG")),
        (
            b"-LOADING Redis is loading the dataset in memory\r\n",
            Err(Cause::NotReady),
        ),
        (
            b"-MASTERDOWN Link with MASTER is down\r\n",
            Err(Cause::NotReady),
        ),
        (
            b"-NOAUTH Authentication required.\r\n",
            Err(Cause::Unauthorized),
        ),
        (b"-ERR unknown\r\n", Err(Cause::OtherAnswer)),
        (b"$-1\r\n", Err(Cause::OtherProtocol)),
        (b"-PONG\r\n", Err(Cause::OtherAnswer)),
        (b"+PO", Err(Cause::Closed)),
    ];
    for (says, then) in cases {
        let port = Server::saying(says).start().await;
        let heard = asks(port, Ask::Redis).await;
        assert_eq!(heard.as_deref(), then.as_ref().copied(), "{says:?}");
    }
    let long = |bytes: usize| {
        let advice = "either bind it to an address or set a password ".repeat(100);
        format!("-DENIED {}\r\n", advice.get(..bytes).expect("long"))
    };
    for (bytes, then) in [(1200, Cause::Unauthorized), (4200, Cause::OtherProtocol)] {
        let port = Server::saying(long(bytes).as_bytes()).start().await;
        assert_eq!(asks(port, Ask::Redis).await, Err(then), "{bytes}");
    }
    let credentials = ProbeCredentials {
        user: None,
        password: Some("secret".to_owned()),
    };
    let twice = |first: &[u8]| Server {
        says: vec![first.to_vec(), b"+PONG\r\n".to_vec()],
        listens: true,
        ends: true,
    };
    let port = twice(b"+OK\r\n").start().await;
    assert!(asks_as(port, Ask::Redis, &credentials).await.is_ok());
    let port = twice(b"-WRONGPASS invalid username-password pair\r\n")
        .start()
        .await;
    assert_eq!(
        asks_as(port, Ask::Redis, &credentials).await,
        Err(Cause::Unauthorized)
    );
    let port = twice(b"-ERR AUTH called without any password configured\r\n")
        .start()
        .await;
    assert_eq!(
        asks_as(port, Ask::Redis, &credentials).await,
        Err(Cause::Unauthorized)
    );
    assert!(!format!("{credentials:?}").contains("secret"));
}

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    let length = u32::try_from(body.len() + 4).expect("short");
    message.extend(length.to_be_bytes());
    message.extend(body);
    message
}

#[tokio::test]
async fn postgresql_in_its_own_protocol() {
    let ready = message(b'Z', b"I");
    let welcome = [message(b'R', &[0, 0, 0, 0]), ready.clone()].concat();
    let begun = [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat();
    let row = |value: &[u8]| {
        let column = [
            b"a\0".as_slice(),
            &[0; 6],
            &[0, 0, 0, 25],
            &[0xff, 0xff],
            &[0xff; 4],
            &[0, 0],
        ]
        .concat();
        let described = message(b'T', &[&[0, 1][..], &column].concat());
        let length = u32::try_from(value.len()).expect("short").to_be_bytes();
        let row = message(b'D', &[&[0, 1][..], &length, value].concat());
        [described, row, message(b'C', b"SELECT 1\0"), ready.clone()].concat()
    };
    let error = |state: &str| {
        let fields = format!("SFATAL\0VFATAL\0C{state}\0Mno\0\0");
        message(b'E', fields.as_bytes())
    };
    let none = [
        message(b'T', &[0, 0]),
        message(b'C', b"SELECT 0\0"),
        ready.clone(),
    ]
    .concat();
    let cases = [
        (
            vec![welcome.clone(), begun.clone(), row(b"1")],
            Ok("answers `1`"),
        ),
        (
            vec![welcome.clone(), begun.clone(), row(b"f")],
            Err(Cause::OtherAnswer),
        ),
        (
            vec![welcome.clone(), begun.clone(), none],
            Err(Cause::OtherAnswer),
        ),
        (vec![error("57P03")], Err(Cause::NotReady)),
        (vec![error("28P01")], Err(Cause::Unauthorized)),
        (vec![error("3D000")], Err(Cause::BadQuestion)),
        (
            vec![
                welcome.clone(),
                begun.clone(),
                [error("42P01"), ready.clone()].concat(),
            ],
            Err(Cause::BadQuestion),
        ),
        (
            vec![welcome.clone(), begun, vec![b'x'; 4 * 1024 * 1024]],
            Err(Cause::OtherProtocol),
        ),
        // It asks for a password, and there is none.
        (vec![message(b'R', &[0, 0, 0, 3])], Err(Cause::Unauthorized)),
        (vec![welcome], Err(Cause::Closed)),
    ];
    for (number, (says, then)) in cases.into_iter().enumerate() {
        let port = Server {
            says,
            listens: true,
            ends: true,
        }
        .start()
        .await;
        let heard = asks(port, Ask::Postgresql(Sql::default())).await;
        assert_eq!(heard.as_deref(), then.as_ref().copied(), "case {number}");
    }
}

/// <https://mariadb.com/kb/en/err_packet/>
#[tokio::test]
async fn mysql_that_refuses_at_once() {
    let refusal = |number: u16, text: &str| {
        let body = [&[0xff][..], &number.to_le_bytes(), text.as_bytes()].concat();
        let length = u8::try_from(body.len()).expect("short");
        let bytes = [&[length, 0, 0, 0][..], &body].concat();
        Server {
            says: vec![bytes],
            listens: false,
            ends: true,
        }
    };
    let cases = [
        (1040, Cause::NotReady),
        (1130, Cause::Unauthorized),
        (1045, Cause::Unauthorized),
    ];
    for (number, cause) in cases {
        let port = refusal(number, "#08004no").start().await;
        assert_eq!(
            asks(port, Ask::Mysql(Sql::default())).await,
            Err(cause),
            "{number}"
        );
    }
}
