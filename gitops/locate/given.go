package locate

// Written is f with the way to write it: for places that are found by other means than kustomizations.
func (f Found) Written(write func(files Files, value string) (map[string][]byte, error)) Found {
	f.write = write
	return f
}

// ReadBy is f with the way to read its File as another commit has it.
func (f Found) ReadBy(read func(data []byte) (value string, ok bool)) Found {
	f.read = read
	return f
}

// Override finds a patch of the one unit that q names, one that is there or a new one, that gives the field the value
// whatever else sets it. like is a value of the field's type, where nothing sets the field yet.
func Override(files Files, q Query, like any, value string) (Found, error) {
	s, err := seek(files, q)
	if err != nil {
		return Found{}, err
	}
	there, err := s.prepare()
	if err != nil {
		return Found{}, err
	}
	if !there {
		s.was = like
	}
	if own, ok := s.override(value); ok {
		return own, nil
	}
	return Found{}, s.refusal()
}
