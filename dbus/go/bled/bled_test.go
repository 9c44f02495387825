// SPDX-License-Identifier: MIT

// Run by tests/system/test_go.py, which starts a bus (BLED_BUS) and two daemons on a simulated radio (org.bled and
// org.bled.b).
package bled

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func open(t *testing.T, name string) (*Adapter, context.Context) {
	bus := os.Getenv("BLED_BUS")
	if bus == "" {
		t.Skip("no BLED_BUS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	a, err := Open(ctx, WithBus(bus), WithBusName(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); cancel() })
	return a, ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair serves a heart rate service on b and connects a to it.
func pair(t *testing.T, service *Service) (a, b *Adapter, link *Link, ctx context.Context) {
	a, ctx = open(t, "org.bled")
	b, _ = open(t, "org.bled.b")
	must(t, b.Serve(ctx, service))
	_, err := b.AdvertiseAs(ctx, AdvertiseOptions{Name: "Gopher", Services: []string{service.UUID}, Resume: true})
	must(t, err)
	mac, err := b.GetMac(ctx)
	must(t, err)
	link, err = a.Dial(ctx, mac.Address, mac.Type)
	must(t, err)
	return
}

func TestScanReportsAnAdvertiserAndEndsWithItsContext(t *testing.T) {
	a, ctx := open(t, "org.bled")
	b, _ := open(t, "org.bled.b")
	_, err := b.AdvertiseAs(ctx, AdvertiseOptions{Name: "Gopher"})
	must(t, err)
	scan, stop := context.WithCancel(ctx)
	reports, err := a.ScanReports(scan, ScanOptions{NamePrefix: "Go"})
	must(t, err)
	r := <-reports
	if mac, _ := b.GetMac(ctx); r.Addr != mac.Address || !bytes.Contains(r.AdvData, []byte("Gopher")) {
		t.Fatalf("%+v", r)
	}
	stop()
	for range reports {
	}
}

func TestACharacteristicIsReadWrittenAndWatched(t *testing.T) {
	written := make(chan []byte, 4)
	c := &Characteristic{UUID: "2a37", Flags: FlagRead | FlagWrite | FlagWriteNoResponse | FlagNotify, Value: []byte{0, 60},
		OnWrite: func(conn uint16, value []byte) error { written <- value; return nil }}
	_, _, link, ctx := pair(t, &Service{UUID: "180d", Characteristics: []*Characteristic{c}})
	services, err := link.Services(ctx)
	must(t, err)
	last := services[len(services)-1]
	if last.UUID != "180d" || len(last.Characteristics) != 1 || last.Characteristics[0].Value != c.Handle {
		t.Fatalf("%+v", last)
	}
	remote, err := link.Characteristic(ctx, "2a37")
	must(t, err)
	value, err := remote.Read(ctx)
	if err != nil || !bytes.Equal(value, []byte{0, 60}) {
		t.Fatal(value, err)
	}
	must(t, remote.Write(ctx, []byte("written")))
	must(t, remote.WriteCommand(ctx, []byte("command")))
	if a, b := <-written, <-written; string(a) != "written" || string(b) != "command" {
		t.Fatal(a, b)
	}
	watch, stop := context.WithCancel(ctx)
	values, err := remote.Notifications(watch)
	must(t, err)
	for i := byte(0); i < 100; i++ {
		must(t, c.Set(ctx, []byte{i}))
	}
	for i := byte(0); i < 100; i++ {
		if v := <-values; len(v) != 1 || v[0] != i {
			t.Fatal(i, v)
		}
	}
	stop()
	for range values {
	}
	if _, err = link.Characteristic(ctx, "2a38"); !errors.Is(err, NotFound) {
		t.Fatal(err)
	}
}

func TestHandlersAnswerReadsAndRefuseWrites(t *testing.T) {
	refused := Named("Att.WriteNotPermitted")
	c := &Characteristic{UUID: "2a37", Flags: FlagRead | FlagWrite, Authorize: true,
		OnRead:  func(conn uint16) ([]byte, error) { return []byte("made"), nil },
		OnWrite: func(conn uint16, value []byte) error { return refused }}
	_, _, link, ctx := pair(t, &Service{UUID: "180d", Characteristics: []*Characteristic{c}})
	remote, err := link.Characteristic(ctx, "2a37")
	must(t, err)
	if v, err := remote.Read(ctx); err != nil || string(v) != "made" {
		t.Fatal(v, err)
	}
	err = remote.Write(ctx, []byte("x"))
	var e *Error
	if !errors.Is(err, refused) || !errors.As(err, &e) || e.Status != 3 {
		t.Fatal(err)
	}
}

func TestAChannelCarriesPacketsBothWaysAndClosesOrderly(t *testing.T) {
	a, b, link, ctx := pair(t, &Service{UUID: "180d"})
	l, err := b.ListenChannel(ctx, 0x80, 1000, nil)
	must(t, err)
	defer l.Close()
	here, err := link.OpenChannel(ctx, 0x80, 500, nil)
	must(t, err)
	there, err := l.Accept(ctx)
	must(t, err)
	if here.PeerMTU != 1000 || there.PeerMTU != 500 {
		t.Fatal(here.PeerMTU, there.PeerMTU)
	}
	sdu := bytes.Repeat([]byte("0123456789"), 100)
	go func() {
		for i := 0; i < 200; i++ {
			if _, err := here.Write(sdu); err != nil {
				t.Error(err)
			}
		}
		here.Close()
	}()
	buffer := make([]byte, 1000)
	for i := 0; i < 200; i++ {
		n, err := there.Read(buffer)
		if err != nil || !bytes.Equal(buffer[:n], sdu) {
			t.Fatal(i, n, err)
		}
	}
	if n, err := there.Read(buffer); n != 0 || err == nil {
		t.Fatal(n, err)
	}
	if _, err = link.OpenChannel(ctx, 0x81, 500, nil); !errors.Is(err, Named("L2cap.SpsmNotSupported")) {
		t.Fatal(err)
	}
	_ = a
}

func TestAnEmptySDUIsNotTheEndOfAChannel(t *testing.T) {
	_, b, link, ctx := pair(t, &Service{UUID: "180d"})
	l, err := b.ListenChannel(ctx, 0x80, 100, nil)
	must(t, err)
	defer l.Close()
	here, err := link.OpenChannel(ctx, 0x80, 100, nil)
	must(t, err)
	there, err := l.Accept(ctx)
	must(t, err)
	for _, sdu := range []string{"", "one", "", "two"} {
		if _, err := here.Write([]byte(sdu)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, here.Close())
	buffer := make([]byte, 100)
	for _, sdu := range []string{"", "one", "", "two"} {
		if n, err := there.Read(buffer); err != nil || string(buffer[:n]) != sdu {
			t.Fatal(sdu, n, err)
		}
	}
	if n, err := there.Read(buffer); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
}

func TestAListenerGivesChannelsThatPeersOpenAlone(t *testing.T) {
	a, b, link, ctx := pair(t, &Service{UUID: "180d"})
	mine, err := a.ListenChannel(ctx, 0x80, 100, nil)
	must(t, err)
	defer mine.Close()
	theirs, err := b.ListenChannel(ctx, 0x80, 100, nil)
	must(t, err)
	defer theirs.Close()
	out, err := link.OpenChannel(ctx, 0x80, 100, nil)
	must(t, err)
	there, err := theirs.Accept(ctx)
	must(t, err)
	// One that has gone before it is asked for is not given, and is no error.
	gone, _, _, err := b.L2capConnect(ctx, there.ConnNumber, 0x80, 100, nil)
	must(t, err)
	must(t, b.L2capDisconnect(ctx, there.ConnNumber, gone))
	cid, _, _, err := b.L2capConnect(ctx, there.ConnNumber, 0x80, 100, nil)
	must(t, err)
	in, err := mine.Accept(ctx)
	must(t, err)
	if in.CID == out.CID {
		t.Fatal("it was opened from here")
	}
	if _, err = b.Send(ctx, there.ConnNumber, cid, []byte("in")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	if n, err := in.Read(buffer); err != nil || string(buffer[:n]) != "in" {
		t.Fatal(n, err)
	}
}

func TestPairingAsksAndBonds(t *testing.T) {
	a, b, link, ctx := pair(t, &Service{UUID: "180d"})
	must(t, a.SetIo(ctx, 1))
	must(t, b.SetIo(ctx, 1))
	defer b.SetIo(ctx, 3)
	defer a.SetIo(ctx, 3)
	asked := b.Events(func(e interface{}) bool { _, ok := e.(*PasskeyActionEvent); return ok })
	defer asked.Stop()
	shown := make(chan uint32, 1)
	go func() {
		e := (<-asked.C).(*PasskeyActionEvent)
		shown <- e.Passkey
		_ = b.Passkey(ctx, e.Conn, e.Action, 1)
	}()
	var compared uint32
	s, err := link.Pair(ctx, PairOptions{Ask: func(action uint8, passkey uint32) uint32 { compared = passkey; return 1 },
		More: Options{"mitm": dbus.MakeVariant(true), "io": dbus.MakeVariant(uint8(1))}})
	must(t, err)
	if !s.Encrypted || !s.Authenticated || !s.Bonded || s.KeySize != 16 || compared != <-shown {
		t.Fatalf("%+v", s)
	}
	bonds, err := a.ListBonds(ctx)
	if err != nil || len(bonds) != 1 {
		t.Fatal(bonds, err)
	}
	must(t, a.DeleteBond(ctx, bonds[0].Type, bonds[0].Address))
	<-link.Done()
}

func TestAContextThatEndsCancelsAnAttempt(t *testing.T) {
	a, ctx := open(t, "org.bled")
	short, cancel := context.WithCancel(ctx)
	go func() {
		for a.bus.Connected() {
			s, err := a.Stats(ctx)
			if err != nil || s["procedures-open"] > 0 {
				break
			}
		}
		cancel()
	}()
	if _, err := a.Dial(short, "C0:00:00:00:00:99", Random); err == nil {
		t.Fatal("connected")
	}
	// CancelConnect has been called: the same peer may be tried again at once.
	_, err := a.Connect(ctx, Random, "C0:00:00:00:00:99", Options{"scan_duration_ms": dbus.MakeVariant(uint32(50))})
	if !errors.Is(err, Timeout) {
		t.Fatal(err)
	}
}

func TestMistakesAndOtherPeoplesThingsAreErrorsWithNames(t *testing.T) {
	a, ctx := open(t, "org.bled")
	_, err := a.ClientRead(ctx, 77, 3, nil)
	if !errors.Is(err, NotConnected) {
		t.Fatal(err)
	}
	err = a.SetMtu(ctx, 5)
	if !errors.Is(err, Named("org.freedesktop.DBus.Error.InvalidArgs")) {
		t.Fatal(err)
	}
	if _, err = Open(ctx, WithBus(os.Getenv("BLED_BUS")), WithBusName("org.nobody")); err == nil {
		t.Fatal("somebody")
	}
}

// settled waits until as many goroutines run as before: nothing tells the end of one.
func settled(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, before %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

func TestCloseEndsEverythingAndLeavesNothing(t *testing.T) {
	if os.Getenv("BLED_BUS") == "" {
		t.Skip("no BLED_BUS")
	}
	before, open := runtime.NumGoroutine(), descriptors(t)
	ctx := context.Background()
	a, err := Open(ctx, WithBus(os.Getenv("BLED_BUS")))
	must(t, err)
	incoming := a.Incoming(ctx)
	reports, err := a.ScanReports(ctx, ScanOptions{})
	must(t, err)
	l, err := a.ListenChannel(ctx, 0x90, 100, nil)
	must(t, err)
	ends := make(chan error, 2)
	go func() {
		_, err := l.Accept(ctx)
		ends <- err
	}()
	go func() {
		_, err := a.DialWith(ctx, "C0:00:00:00:00:99", Random, Options{"scan_duration_ms": dbus.MakeVariant(uint32(60000))})
		ends <- err
	}()
	must(t, a.Serve(ctx, &Service{UUID: "180d"}))
	if err = a.Close(); err != nil {
		t.Fatal(err)
	}
	for range incoming {
	}
	for range reports {
	}
	for i := 0; i < 2; i++ {
		if err := <-ends; err == nil {
			t.Fatal("no error")
		}
	}
	must(t, a.Close())
	if err = a.SetMtu(ctx, 100); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	settled(t, before)
	if now := descriptors(t); now > open+1 { // one is epoll's
		t.Fatal(now, open)
	}
}

func TestAStreamThatNobodyReadsEnds(t *testing.T) {
	a := &Adapter{waiters: map[*Events]struct{}{}}
	e := a.Events(nil)
	for i := 0; i < 3*queueMost; i++ { // what is on its way to C counts no more
		e.queue.put(i)
	}
	n := 0
	for range e.C {
		n++
	}
	if n < queueMost || !errors.Is(e.Err(), ErrOverflow) {
		t.Fatal(n, e.Err())
	}
}

func TestAWrappedErrorKeepsItsStatus(t *testing.T) {
	if s := attStatus(fmt.Errorf("no: %w", Named("Att.WriteNotPermitted"))); s != 3 {
		t.Fatal(s)
	}
	if err := (&Characteristic{}).Set(context.Background(), nil); err == nil {
		t.Fatal("set")
	}
}
