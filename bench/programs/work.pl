# Perl: regular expressions, hashes, sorting, formatting, closures. perl work.pl ROUNDS
# No module is loaded: natively perl runs outside its root, and would find the host's.
my @names = map { sprintf "%s%03d", (qw(ada bob cy dee eve))[$_ % 5], $_ * 37 % 400 } 0 .. 399;
my $log = join "", map { sprintf "2024-%02d-%02d %s GET /item/%d?q=%s %d\n", $_ % 12 + 1, $_ % 28 + 1, $names[$_], $_ * 7, "x" x ($_ % 9), 200 + $_ % 5 } 0 .. 399;

sub parse {
    my ($text) = @_;
    my (%hits, %codes);
    while ($text =~ /^(\d+)-(\d+)-(\d+) (\w+) GET (\S+)\?q=(x*) (\d+)$/mg) {
        $hits{$4}{$5} += length $6;
        push @{$codes{$7}}, $1 * 10000 + $2 * 100 + $3;
    }
    return (\%hits, \%codes);
}

sub fib { my $n = shift; $n < 2 ? $n : fib($n - 1) + fib($n - 2) }

my $total = 0;
for my $r (1 .. $ARGV[0]) {
    my ($hits, $codes) = parse($log);
    for my $name (sort { $a cmp $b } keys %$hits) { $total += $_ for values %{$hits->{$name}} }
    $total += (sort { $b <=> $a } @{$codes->{202}})[$r % 10];
    (my $copy = $log) =~ s/(\d+)-(\d+)/$2 + $r . "." . $1/ge;
    $copy =~ tr/a-z/b-za/;
    my $found = () = $copy =~ /\by\w*|\d{2}\b/gi;
    $total += unpack("%32C*", $copy) + fib(13) + $found;
    my @sorted = map { $_->[1] } sort { $a->[0] cmp $b->[0] } map { [scalar reverse($_), $_] } @names;
    $total += index(join(",", @sorted), $names[$r % 400]);
    my @add = map { my $k = $_; sub { $_[0] * $k + 1 } } 1 .. 20;
    for my $i (1 .. 40) { $total = ($_->($total) + $i) % 1000003 for @add }
}
print "$total\n";
