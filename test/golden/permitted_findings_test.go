package golden

var findings = []permitted{}
