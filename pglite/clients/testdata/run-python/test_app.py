"""howdah run --template schema.sql -- python3 -m unittest"""
import os
import unittest

import psycopg


def seats(db):
    return db.execute("select sum(seats) from elephants").fetchone()[0]


class Rollback(unittest.TestCase):
    """A transaction around each test: the fastest way."""

    def setUp(self):
        self.db = psycopg.connect(os.environ["DATABASE_URL"])

    def tearDown(self):
        self.db.rollback()
        self.db.close()

    def test_more(self):
        self.db.execute("insert into elephants values (%s, %s)", ("Hathi", 4))
        self.assertEqual(seats(self.db), 12)

    def test_as_before(self):
        self.assertEqual(seats(self.db), int(os.environ.get("SEATS", 8)))


class Rewind(unittest.TestCase):
    """For code that commits: each test begins where the mark was set."""

    @classmethod
    def setUpClass(cls):
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
            db.execute("insert into elephants values ('Kala Nag', 1)")
            db.execute("select howdah_mark('seeded')")

    def setUp(self):
        with self.assertRaises(psycopg.OperationalError):
            with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
                db.execute("select howdah_rewind('seeded')")
        self.db = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)

    def tearDown(self):
        self.db.close()

    def commits(self):
        self.assertEqual(seats(self.db), 9)
        self.db.execute("insert into elephants values ('Hathi', 4)")
        self.assertEqual(seats(self.db), 13)

    test_once, test_again = commits, commits

    @classmethod
    def tearDownClass(cls):
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
            db.execute("delete from elephants where name <> 'Jumbo'")
