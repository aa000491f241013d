# Moves money inside each database, numbers every transfer without holes, and mirrors the number of the first database in
# the second: a transfer n of a worker is committed in the first before it is begun in the second. Tells of each
# transfer, in the file of the worker: engine, n, when it began, how long it took.
use strict; use warnings; use IPC::Open2; use Time::HiRes qw(time sleep);
# Groups of engines: workers take them in turn. Within a group each transfer is mirrored.
my @groups = map { [split /,/] } split /\|/, $ENV{ENGINES};
my %client = (
  pg => ['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', 'pg.ledger', '-U', 'ledger', '-d', 'ledger'],
  maria => ['mariadb', '--no-defaults', '--batch', '--unbuffered', '--skip-column-names', '--skip-reconnect', '--connect-timeout=2', '-h', 'maria.ledger', '-u', 'root', 'ledger'],
);
$ENV{PGCONNECT_TIMEOUT} = 2; $ENV{PGPASSWORD} = $ENV{POSTGRES_PASSWORD}; $ENV{MYSQL_PWD} = $ENV{MARIADB_ROOT_PASSWORD};
$SIG{PIPE} = 'IGNORE';
my $accounts = 10000;
sub work {
  my $worker = shift;
  my @engines = @{$groups[$worker % @groups]};
  open my $log, '>>', "/tmp/log.$worker" or die; $log->autoflush(1);
  open STDERR, '>>', '/tmp/errors'; srand($worker);
  my (%in, %out, %pid, $n);
  my $ask = sub {
    my ($engine, $sql) = @_;
    unless ($in{$engine}) {
      $pid{$engine} = open2($out{$engine}, $in{$engine}, @{$client{$engine}});
      $in{$engine}->autoflush(1);
    }
    print { $in{$engine} } $sql;
    my $line = readline $out{$engine};
    if (!defined $line) {
      close $in{$engine}; close $out{$engine}; waitpid $pid{$engine}, 0; delete $in{$engine};
      return;
    }
    chomp $line; return $line;
  };
  while (1) {
    for my $engine (@engines) {
      until (defined $n) {
        my $found = $ask->($engines[0], "SELECT coalesce(max(n), 0) FROM log WHERE worker = $worker;\n");
        # The last one again: a writer that was killed may have left it without its other half.
        if (defined $found) { $n = $found || 1 } else { sleep 0.05 }
      }
      my $begin = $engine eq 'pg' ? 'BEGIN;' : 'START TRANSACTION;';
      my ($a, $b) = map { int(rand($accounts)) } 1 .. 2;
      ($a, $b) = ($b, $a) if $a > $b;
      my $visit = $engine eq 'maria' ? "INSERT INTO visits VALUES ($worker, $n);" : '';
      my $known = $engine eq 'pg' ? 'ON CONFLICT DO NOTHING' : '';
      my $insert = $engine eq 'pg' ? 'INSERT' : 'INSERT IGNORE';
      my $sql = "$begin UPDATE accounts SET balance = balance - 1 WHERE id = $a; UPDATE accounts SET balance = balance + 1 WHERE id = $b; "
        . "$insert INTO log (worker, n) VALUES ($worker, $n) $known; COMMIT; $visit SELECT 'done $n';\n";
      my $start = time;
      my $said;
      until (defined $said) {
        $said = $ask->($engine, $sql);
        sleep 0.02 unless defined $said;
      }
      printf $log "%s %d %.4f %.4f\n", $engine, $n, $start, time - $start;
    }
    $n++;
    sleep $ENV{PAUSE} if $ENV{PAUSE};
  }
}
for my $worker (1 .. $ENV{WORKERS}) { next if fork; work($worker); exit }
sleep 1 while 1;
