-- What these scripts ask of an answer, and of a statement that must not work. Anybody may call it.
CREATE FUNCTION pg_temp.expect(what text, got anyelement, expected anyelement) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF got IS DISTINCT FROM expected THEN
        RAISE EXCEPTION '%', what USING DETAIL = format('Found %s, expected %s.', got, expected);
    END IF;
END $$;
CREATE FUNCTION pg_temp.refused(statement text, as_which text DEFAULT '42501') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE <> as_which THEN
            RAISE EXCEPTION '% fails with % (%)', statement, SQLSTATE, SQLERRM;
        END IF;
        RETURN;
    END;
    RAISE EXCEPTION 'he may %', statement;
END $$;
