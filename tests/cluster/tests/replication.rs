//! The desk's results on another server, by Postgres' own logical replication.

use cluster_tests::calls::{prepare, prepare_desk};
use cluster_tests::private::Cluster;
use cluster_tests::{RESULT_TABLES, wait_for};
use postgres::Client;

/// Every result table's rows, as one text.
fn contents(session: &mut Client) -> Vec<String> {
    let of_table = |table: &str| {
        let rows = format!(
            "SELECT concat(count(*), ' rows of {table}: ', md5(string_agg(t::text, ';' ORDER BY t::text))) FROM folio.{table} AS t"
        );
        session.query_one(&rows, &[]).expect(table).get(0)
    };
    RESULT_TABLES.map(of_table).to_vec()
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has clusters of its own")]
fn results_arrive_on_a_subscriber() {
    let publisher = Cluster::start("publisher", &["logical"]);
    let subscriber = Cluster::start("subscriber", &["logical"]);
    let (source, target) = (publisher.empty(), subscriber.empty());
    let (mut from, mut to) = (source.session(), target.session());
    prepare(&mut from);
    prepare_desk(&mut from);
    let tables = RESULT_TABLES.map(|table| format!("folio.{table}")).join(", ");
    from.batch_execute(&format!("CREATE PUBLICATION desk FOR TABLE {tables}")).expect("CREATE PUBLICATION");
    let subscription = format!(
        "CREATE SUBSCRIPTION desk CONNECTION 'host={} dbname={} user=postgres' PUBLICATION desk",
        publisher.host(),
        source.name()
    );
    to.batch_execute(&subscription).expect("CREATE SUBSCRIPTION");
    let mut arrived = |what: &str, from: &mut Client| {
        let expected = contents(from);
        wait_for(what, || contents(&mut to) == expected);
        expected
    };
    let first = arrived("the rows that were there", &mut from);
    from.batch_execute("CALL rebalance('small', force => true)").expect("rebalance");
    let second = arrived("a new run", &mut from);
    assert_ne!(first, second);
    from.batch_execute(
        "UPDATE folio.portfolio SET horizon = 3;
         DELETE FROM folio.run WHERE run_id = (SELECT min(run_id) FROM folio.run)",
    )
    .expect("UPDATE and DELETE");
    assert_ne!(arrived("a change and a deletion", &mut from), second);
    // What was stored is there to be read as at home.
    let current = "SELECT md5(string_agg(w::text, ';' ORDER BY w::text)) FROM folio.current_weight AS w";
    let at_home: String = from.query_one(current, &[]).expect("current_weight").get(0);
    let there: String = to.query_one(current, &[]).expect("current_weight").get(0);
    assert_eq!(at_home, there);
    to.batch_execute("DROP SUBSCRIPTION desk").expect("DROP SUBSCRIPTION");
}
