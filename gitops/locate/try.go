package locate

import "fmt"

// try changes the scalar of the candidate, and sees where that lands.
func (s *search) try(c candidate) (Found, bool, error) {
	if c.err != nil {
		s.block(c.err)
		return Found{}, false, nil
	}
	at := fmt.Sprintf("%s:%d:%d", c.file, c.pos.Line, c.pos.Column)
	if c.what != "" {
		at += " (" + c.what + ")"
	}
	if sameNumber(c.value, s.ask.value) { // 1e3 is rendered as 1000
		c.mark = sentinel(s.q.Field, s.ask.value)
	} else if c.value != s.ask.value {
		s.say("%s says %s, which is overridden", at, c.value)
		return Found{}, false, nil
	}
	diff, ok := s.marked(c, s.wish)
	if !ok {
		return s.tryMark(c, at)
	}
	return s.sets(c, at, diff), true, nil
}

// marked is what another value there changes; ok where that is the field, which becomes the value.
func (s *search) marked(c candidate, mark string) (diff comparison, ok bool) {
	if mark == "" || mark == s.ask.value {
		return diff, false
	}
	changed, err := c.write(s.files, mark)
	if err != nil {
		return diff, false
	}
	objects, err := rendered(open(With(s.files, changed), s.unit.name()))
	if err != nil {
		return diff, false
	}
	diff, err = compare(s.objects, objects, s.target)
	return diff, err == nil && diff.touches(s.target, s.q.Field, mark)
}

// tryMark is try with a value that nobody asked for.
func (s *search) tryMark(c candidate, at string) (Found, bool, error) {
	changed, err := c.write(s.files, c.mark)
	if err != nil {
		s.block(err)
		return Found{}, false, nil
	}
	objects, err := rendered(open(With(s.files, changed), s.unit.name()))
	if err != nil {
		s.block(fmt.Errorf("%s: with %s there, %w", at, c.mark, err))
		return Found{}, false, nil
	}
	diff, err := compare(s.objects, objects, s.target)
	if err != nil {
		return Found{}, false, typed(fmt.Errorf("%s: %w", at, err))
	}
	if !diff.touches(s.target, s.q.Field, c.mark) {
		s.say("%s says %s too, and does not reach the rendering", at, c.value)
		return Found{}, false, nil
	}
	return s.sets(c, at, diff), true, nil
}

// sets is the place, with the proof.
func (s *search) sets(c candidate, at string, diff comparison) Found {
	s.say("%s sets it", at)
	if also := len(diff.changes) - 1; also > 0 {
		s.say("proof: another value there changes this field of the rendering, and %d more: %s", also, diff.other(s.target, s.q.Field))
	} else {
		s.say("proof: another value there changes this field of the rendering, and no other of its %d objects", len(s.objects))
	}
	return Found{Overlay: s.unit.name(), File: c.file, Line: c.pos.Line, Column: c.pos.Column, Value: s.ask.value, Chain: s.chain, write: c.write, read: c.read}
}
