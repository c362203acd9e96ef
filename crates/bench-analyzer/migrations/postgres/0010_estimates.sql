CREATE TABLE estimates (
    measurement_id BIGINT NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
    statistic      TEXT COLLATE "C" NOT NULL CHECK (statistic IN
                       ('mean', 'median', 'median_abs_dev', 'slope', 'std_dev')),
    point          DOUBLE PRECISION NOT NULL,
    low            DOUBLE PRECISION NOT NULL,
    high           DOUBLE PRECISION NOT NULL,
    level          DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (measurement_id, statistic)
);
