//! Many measurements in few statements: to a server, every statement is a journey.

use std::collections::HashMap;

use sqlx_postgres::PgConnection;

use super::codec;
use super::link::one;
use super::postgres::{change, column, patient};
use crate::ingest::MeasurementDraft;
use bench_stats::stats::summary::Summary;

/// Stores measurements of one run, given with their series, and says their numbers in order.
pub(super) async fn insert(
    connection: &mut PgConnection,
    run: i64,
    drafts: &[(i64, &MeasurementDraft)],
) -> sqlx::Result<Vec<i64>> {
    let summaries: Vec<Summary> =
        drafts.iter().map(|(_, draft)| Summary::of(&draft.samples)).collect();
    let digests: Vec<&[u8]> = drafts.iter().map(|(_, draft)| draft.digest.as_bytes()).collect();
    let contents: Vec<&[u8]> = drafts.iter().map(|(_, draft)| draft.content.as_bytes()).collect();
    let of = |value: fn(&Summary) -> f64| summaries.iter().map(value).collect::<Vec<f64>>();
    let counts: Vec<i64> = summaries
        .iter()
        .map(|summary| i64::try_from(summary.sample_count).unwrap_or(i64::MAX))
        .collect();
    let query = sqlx::query(
        "INSERT INTO measurements (run_id, series_id, digest, content, sample_count, median,
                                   minimum, p90, relative_spread, relative_error, exact)
         SELECT $1, * FROM unnest($2::BIGINT[], $3::BYTEA[], $4::BYTEA[], $5::BIGINT[],
                                  $6::FLOAT8[], $7::FLOAT8[], $8::FLOAT8[], $9::FLOAT8[],
                                  $10::FLOAT8[], $11::BIGINT[])
         RETURNING id, digest",
    )
    .bind(run)
    .bind(drafts.iter().map(|(series, _)| *series).collect::<Vec<i64>>())
    .bind(&digests)
    .bind(&contents)
    .bind(counts)
    .bind(of(|summary| summary.median))
    .bind(of(|summary| summary.minimum))
    .bind(of(|summary| summary.p90))
    .bind(of(|summary| summary.relative_spread))
    .bind(of(|summary| summary.relative_error))
    .bind(
        drafts.iter().map(|(_, draft)| i64::from(draft.declared.is_exact())).collect::<Vec<i64>>(),
    );
    let mut ids: HashMap<Vec<u8>, i64> = HashMap::new();
    for row in patient(query.fetch_all(&mut *connection)).await? {
        ids.insert(column(&row, "digest")?, column(&row, "id")?);
    }
    // Nothing promises the order in which rows come back.
    let found = digests.iter().map(|digest| one(Ok(ids.get(*digest).copied())));
    let ids = found.collect::<sqlx::Result<Vec<i64>>>()?;

    let data: Vec<Vec<u8>> =
        drafts.iter().map(|(_, draft)| codec::encode(&draft.samples)).collect();
    let query = sqlx::query(
        "INSERT INTO samples (measurement_id, data) SELECT * FROM unnest($1::BIGINT[], $2::BYTEA[])",
    );
    change(connection, query.bind(&ids).bind(data)).await?;
    insert_throughputs(connection, &ids, drafts).await?;
    insert_estimates(connection, &ids, drafts).await?;
    Ok(ids)
}

async fn insert_throughputs(
    connection: &mut PgConnection,
    ids: &[i64],
    drafts: &[(i64, &MeasurementDraft)],
) -> sqlx::Result<()> {
    let (mut owners, mut kinds, mut amounts) = (Vec::new(), Vec::new(), Vec::new());
    for (id, (_, draft)) in ids.iter().zip(drafts) {
        for throughput in &draft.throughput {
            owners.push(*id);
            kinds.push(throughput.kind.as_str());
            amounts.push(i64::try_from(throughput.amount).unwrap_or(i64::MAX));
        }
    }
    if owners.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "INSERT INTO throughputs (measurement_id, kind, amount)
         SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::BIGINT[]) ON CONFLICT DO NOTHING",
    );
    change(connection, query.bind(owners).bind(kinds).bind(amounts)).await?;
    Ok(())
}

async fn insert_estimates(
    connection: &mut PgConnection,
    ids: &[i64],
    drafts: &[(i64, &MeasurementDraft)],
) -> sqlx::Result<()> {
    let (mut owners, mut statistics) = (Vec::new(), Vec::new());
    let mut numbers: [Vec<f64>; 4] = Default::default();
    for (id, (_, draft)) in ids.iter().zip(drafts) {
        for estimate in &draft.estimates {
            owners.push(*id);
            statistics.push(estimate.statistic.as_str());
            let values = [estimate.point, estimate.low, estimate.high, estimate.level];
            numbers.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
        }
    }
    if owners.is_empty() {
        return Ok(());
    }
    let [points, lows, highs, levels] = numbers;
    let query = sqlx::query(
        "INSERT INTO estimates (measurement_id, statistic, point, low, high, level)
         SELECT * FROM unnest($1::BIGINT[], $2::TEXT[], $3::FLOAT8[], $4::FLOAT8[], $5::FLOAT8[],
                              $6::FLOAT8[])
         ON CONFLICT DO NOTHING",
    )
    .bind(owners)
    .bind(statistics)
    .bind(points)
    .bind(lows)
    .bind(highs)
    .bind(levels);
    change(connection, query).await?;
    Ok(())
}
